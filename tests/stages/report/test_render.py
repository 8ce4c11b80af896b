import re
from html.parser import HTMLParser

import pytest

from stages.formats.funnel import StepCount
from stages.formats.layers import FIELDS as LAYER_FIELDS
from stages.formats.metrics import FIELDS
from stages.formats.rank_times import RankTime, RankTimes
from stages.formats.readings import Reading
from stages.formats.results import EvaluationKey, Generation, Results, Score
from stages.formats.tables import Tables
from stages.report.data import Attempt, Example, Missing, Pages, ReportData
from stages.report.render import TEMPLATES, render, script_json

HOSTILE = (
    "</script><script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 2'>",
    '"><svg onload="window.hit = 3">',
    "{{ 7 * 7 }} {% raw %} ${window.hit = 4}",
    "x" * 3000,
    "\u202eesrever \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "nul \x00 escape \x1b[31m \ud800 \uffff <!-- ]]>",
    "<a href=\"javascript:window.hit = 5\">b</a> %{x} <b>bold</b>",
)  # fmt: skip
NOTHING = Missing("nothing of it")


def empty_data(**parts: object) -> ReportData:
    names = ("pages", "tokens", "training", "results", "generations", "attempts")
    return ReportData(run="empty", made=1.8e9, **{**dict.fromkeys(names, NOTHING), **parts})


def hostile_tables() -> Tables:
    tables = Tables()
    for text in HOSTILE:
        tables.read(text, text)
    return tables


def hostile_data() -> ReportData:
    """Return a report whose every text was written by someone who means harm."""
    steps = [StepCount(f"{text} step", 10, 9, 5, 0, {text: 1}) for text in HOSTILE]
    return ReportData(
        run=HOSTILE[1],
        made=1.8e9,
        pages=Pages(
            funnel=steps,
            by_source=dict.fromkeys(HOSTILE, steps),
            examples={(s.name, t): (Example(url=t, text=t, is_cut=True),) for s, t in zip(steps, HOSTILE, strict=True)},
            tables=hostile_tables(),
        ),
        tokens={text: {"documents": 1, "tokens": 10, "heldout_documents": 0} for text in HOSTILE},
        training=[
            {**dict.fromkeys(FIELDS, 1), "loss": float("nan"), "left_out": text, "why": text, "sequences": [0, 1]}
            for text in HOSTILE
        ],
        layers=[{**dict.fromkeys(LAYER_FIELDS, float("inf")), "step": 1, "part": text} for text in HOSTILE],
        ranks=RankTimes(
            step=1,
            readings=1,
            ranks=tuple(RankTime(rank=1, node=text, seconds=0.0, memory_mb=0.0, slow=0) for text in HOSTILE),
        ),
        readings=[Reading(text, 10, 0.5, 2.5) for text in HOSTILE],
        results=[
            Results(
                key=EvaluationKey(checkpoint="c", source=text, task=text, num_fewshot=0, harness="h"),
                scores=(
                    Score(task=text, metric=text, value=0.5, stderr=None, samples=1, chance=0.5, higher_is_better=True),
                ),
            )
            for text in HOSTILE
        ],
        generations=[
            Generation(
                checkpoint="c", source=text, prompt=text, continuation=text, tokens=1, stopped=text, temperature=0.5
            )
            for text in HOSTILE
        ],
        attempts=[
            Attempt(
                job=text, element=0, restart=0, shards=(0,), slurm_id=text, node=text,
                started=1.0, ended=2.0, verdict="failed", reason=text,
            )
            for text in HOSTILE
        ],
    )  # fmt: skip


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def parse(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    return elements


def test_hostile_texts_make_no_elements_and_no_handlers() -> None:
    elements = parse(render(hostile_data()))
    assert elements.handlers == []
    assert elements.tags.count("script") == 3
    assert not {"img", "svg", "iframe"} & set(elements.tags)
    assert len(elements.ids) == len(set(elements.ids))


def test_only_the_pages_own_scripts_are_allowed_and_nothing_is_loaded() -> None:
    page = render(empty_data())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert policy[1].count("'sha256-") == 2
    assert not re.search(r'(?:src|href)="(?!#)', re.sub(r"<script.*?</script>", "", page, flags=re.S))


def test_an_empty_run_says_of_every_part_why_it_is_not_there() -> None:
    page = render(empty_data())
    assert page.count("<strong>Not run:</strong> nothing of it.") == 6
    assert page.count('class="card absent"') == 5


@pytest.mark.parametrize("steps", [[], [StepCount("read")]])
def test_zero_pages_are_a_report_like_another(steps: list[StepCount]) -> None:
    page = render(empty_data(pages=Pages(funnel=steps, by_source={"dump": steps}, examples={}, tables=None)))
    assert 'id="pages-in" data-value="0"' in page
    assert "No page was dropped." in page


def test_without_plotly_the_tables_stay_and_nothing_is_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.report.render.pack_plotly", lambda: None)
    page = render(hostile_data())
    assert "script" not in parse(page).tags
    assert 'id="scores"' in page


def test_what_the_training_read_is_a_table_if_it_is_known() -> None:
    training = [dict.fromkeys(FIELDS, 1)]
    page = render(empty_data(training=training, readings=[Reading("wiki", 25_700_000_000, 0.045, 2.45)]))
    row = page.split('<tr data-source="wiki">')[1].split("</tr>")[0]
    assert 'data-value="2.45">2.450<' in row
    assert "4.5" in row
    assert 'id="reading-table"' not in render(empty_data(training=training))


def test_json_in_a_script_has_no_end_tag() -> None:
    assert "<" not in script_json({"a": "</script><!--"})


def test_what_was_left_out_is_a_table_and_overflows_a_line() -> None:
    row = {**dict.fromkeys(FIELDS, 1), "sequences": [8, 15]}
    bad = [{**row, "step": step, "left_out": "spike", "why": f"<b>{step}</b>"} for step in range(2, 60)]
    page = render(empty_data(training=[dict.fromkeys(FIELDS, 1), *bad, {**row, "left_out": "overflow", "why": "fp16"}]))
    assert "The first 50 of 58." in page
    assert page.count('<tr data-step="') == 50
    assert "&lt;b&gt;2&lt;/b&gt;" in page
    assert "1 step went by without an update" in page
    clean = render(empty_data(training=[dict.fromkeys(FIELDS, 1)]))
    assert 'id="left-out"' not in clean
    assert 'id="ranks"' not in clean
    assert 'id="layers"' not in clean


def test_use_of_the_peak_is_shown_where_it_is_known() -> None:
    rows = [{**dict.fromkeys(FIELDS, 1), "mfu": share, "memory_mb": 70_000.0} for share in (0.4, 0.5)]
    page = render(empty_data(training=rows))
    assert 'id="mfu" data-value="0.45"' in page
    assert 'data-figure="chart-mfu"' in page
    assert 'id="memory" data-value="70000.0"' in page


def test_full_experts_are_shown_where_they_have_a_capacity() -> None:
    rows = [{**dict.fromkeys(FIELDS, 1), "dropped": share} for share in (0.0, 0.1)]
    assert 'data-figure="chart-full"' in render(empty_data(training=rows))
    assert 'data-figure="chart-full"' not in render(empty_data(training=[dict.fromkeys(FIELDS, 1)]))


def test_templates_name_no_other_place() -> None:
    texts = [path.read_text() for path in TEMPLATES.iterdir()]
    assert not any("//cdn" in text or "https://" in text for text in texts)
