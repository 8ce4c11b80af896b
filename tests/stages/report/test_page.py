import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stages.formats.funnel import StepCount
from stages.formats.metrics import FIELDS
from stages.formats.readings import Reading
from stages.formats.results import Generation, Outcomes, Results, Sample
from stages.formats.tables import Tables
from stages.formats.telemetry.layers import FIELDS as LAYER_FIELDS
from stages.formats.telemetry.rank_times import RankTime, RankTimes
from stages.report.collect import Block
from stages.report.page import PARTS as PART_TEMPLATES
from stages.report.page import TEMPLATES, render, script_json
from stages.report.part import Missing, View, not_run
from stages.report.parts.evaluation.flips import Place
from stages.report.parts.evaluation.part import view as show_evaluation
from stages.report.parts.generations.part import view as show_generations
from stages.report.parts.pages.part import view as show_pages
from stages.report.parts.pages.read import PageCounts, RejectedPage
from stages.report.parts.table import PARTS
from stages.report.parts.timeline.lanes import lay_out
from stages.report.parts.timeline.part import view as show_timeline
from stages.report.parts.timeline.read import TimedAttempt
from stages.report.parts.tokens.part import view as show_tokens
from stages.report.parts.training.part import view as show_training
from stages.report.parts.training.read import TrainingFiles
from tests.stages.report.journey import evaluation_key, score

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
MADE = 1.8e9
ROW: dict[str, object] = dict.fromkeys(FIELDS, 1)


def block(part: str, view: View | Missing, section: str = "", number: int = 1, note: str = "") -> Block:
    return Block(
        part=part,
        section=section,
        title=PARTS[part].title,
        suffix="" if number == 1 else f"-{number}",
        view=view,
        card=PARTS[part].card,
        note=note,
    )


def page_of(**views: View | Missing) -> str:
    return render("a run", MADE, [block(part, view) for part, view in views.items()])


def hostile_tables() -> Tables:
    tables = Tables()
    for text in HOSTILE:
        tables.read(text, text)
    return tables


def hostile_training() -> TrainingFiles:
    bad = {"loss": float("nan"), "why": "why", "sequences": [0, 1]}
    ranks = tuple(RankTime(rank=1, node=text, seconds=0.0, memory_mb=0.0, slow=0) for text in HOSTILE)
    return TrainingFiles(
        rows=[{**dict.fromkeys(FIELDS, 1), **bad, text: 1.5, "left_out": text, "why": text} for text in HOSTILE],
        layers=[{**dict.fromkeys(LAYER_FIELDS, float("inf")), "step": 1, "part": text} for text in HOSTILE],
        ranks=RankTimes(step=1, readings=1, ranks=ranks),
        readings=[Reading(text, 10, 0.5, 2.5) for text in HOSTILE],
    )


def hostile_pages() -> PageCounts:
    steps = [StepCount(f"{text} step", 10, 9, 5, 0, {text: 1}) for text in HOSTILE]
    return PageCounts(
        funnel=steps,
        by_source=dict.fromkeys(HOSTILE, steps),
        examples={
            (s.name, t): (RejectedPage(url=t, text=t, is_cut=True),) for s, t in zip(steps, HOSTILE, strict=True)
        },
        tables=hostile_tables(),
    )


def hostile_evaluation() -> View:
    """Return results, and samples that flipped, with hostile names and texts."""
    results = []
    for source, value in zip(HOSTILE, (0.0, 1.0) * 4, strict=True):
        for text in HOSTILE:
            key = evaluation_key(source, text, variant=text)
            scores = (score(text, text, 0.5, None, chance=0.5),)
            outcomes = {text: Outcomes(items=HOSTILE, values={text: (value,) * len(HOSTILE)})}
            results.append(Results(key=key, scores=scores, protocol=text, outcomes=outcomes))
    samples = {}
    for result in results:
        task = result.key.task
        for index, text in enumerate(HOSTILE):
            asked = Sample(
                task=task, filter="none", target=text, filtered=(text,), responses=([text],), arguments=((text, text),)
            )  # fmt: skip
            chosen = replace(asked, responses=([[-1.0, False]],), target=0)
            place = Place(key=result.key, task=task, metric=task, index=index)
            samples[place] = chosen if index % 2 else asked
    return show_evaluation(results, samples, {result.key: Path(HOSTILE[1]) for result in results})


def hostile_page() -> str:
    """Return a report whose every text was written by someone who means harm."""
    generations = [
        Generation(checkpoint="c", source=text, prompt=text, continuation=text, tokens=1, stopped=text, temperature=0.5)
        for text in HOSTILE
    ]
    attempts = [
        TimedAttempt(
            job=text, element=0, restart=0, units=(text,), slurm_id=text, node=text,
            started=1.0, ended=2.0, verdict="failed", reason=text,
        )
        for text in HOSTILE
    ]  # fmt: skip
    tokens = {text: {"documents": 1, "tokens": 10, "heldout_documents": 0} for text in HOSTILE}
    views = {
        "pages": show_pages(hostile_pages()),
        "tokens": show_tokens(tokens),
        "training": show_training(hostile_training()),
        "evaluation": hostile_evaluation(),
        "generations": show_generations(generations),
        "timeline": show_timeline(lay_out(attempts, MADE)),
    }
    blocks = [
        block(part, view, section, number, note=section)
        for part, view in views.items()
        for number, section in enumerate(HOSTILE[:2], start=1)
    ]
    broken = Missing(label=HOSTILE[0], reason=HOSTILE[1])
    return render(HOSTILE[1], MADE, [*blocks, block("training", broken, HOSTILE[2], 3)])


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
    elements = parse(hostile_page())
    assert elements.handlers == []
    assert elements.tags.count("script") == 3
    assert not {"img", "svg", "iframe"} & set(elements.tags)
    assert len(elements.ids) == len(set(elements.ids))
    assert hostile_evaluation().values["flips"]


def test_only_the_pages_own_scripts_are_allowed_and_nothing_is_loaded() -> None:
    page = page_of(pages=show_pages(hostile_pages()))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert policy[1].count("'sha256-") == 2
    assert not re.search(r'(?:src|href)="(?!#)', re.sub(r"<script.*?</script>", "", page, flags=re.S))


def test_a_part_that_has_not_run_says_why_and_has_an_empty_card() -> None:
    page = page_of(pages=not_run("section web has not finished"), generations=not_run("no evaluation"))
    assert page.count("<strong>Not run yet:</strong>") == 2
    assert "section web has not finished." in page
    assert page.count('class="card absent"') == 1
    assert 'id="pages-missing" data-value=""' in page
    assert "<script" not in page


def test_two_sections_of_a_part_have_their_own_titles_ids_and_cards() -> None:
    views = [show_training(TrainingFiles(rows=[{**ROW, "loss": loss}])) for loss in (1.0, 2.0)]
    blocks = [block("training", views[0], "a"), block("training", views[1], "b", 2)]
    page = render("run", MADE, blocks)
    ids = parse(page).ids
    assert {"training", "training-2", "loss-last", "loss-last-2", "chart-loss", "chart-loss-2"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert "final loss · a" in page
    assert 'id="loss-last-2" data-value="2.0"' in page


def test_a_sweep_has_the_cards_of_its_first_sections_alone() -> None:
    view = show_training(TrainingFiles(rows=[dict.fromkeys(FIELDS, 1)]))
    page = render("run", MADE, [block("training", view, f"s{number}", number) for number in range(1, 9)])
    assert page.count('<li class="card') == 3
    assert page.count('class="training"') == 8


def test_half_of_a_section_is_marked() -> None:
    view = show_tokens({"a": {"documents": 1, "tokens": 10, "heldout_documents": 0}})
    note = "Not complete: 1 of 2 files so far."
    assert f">{note}<" in render("run", MADE, [block("tokens", view, note=note)])


@pytest.mark.parametrize("steps", [[], [StepCount("read")]])
def test_zero_pages_are_a_report_like_another(steps: list[StepCount]) -> None:
    counts = PageCounts(funnel=steps, by_source={"dump": steps}, examples={}, tables=None)
    page = page_of(pages=show_pages(counts))
    assert 'id="pages-in" data-value="0"' in page
    assert "No page was dropped." in page


def test_without_plotly_the_tables_stay_and_nothing_is_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.report.page.pack_plotly", lambda: None)
    page = hostile_page()
    assert "script" not in parse(page).tags
    assert 'id="scores"' in page


def training_page(*rows: dict[str, object], readings: list[Reading] | None = None) -> str:
    return page_of(training=show_training(TrainingFiles(rows=list(rows), readings=readings or [])))


def test_the_sources_of_a_training_are_a_table_if_they_are_known() -> None:
    page = training_page(ROW, readings=[Reading("wiki", 25_700_000_000, 0.045, 2.45)])
    row = page.split('<tr data-source="wiki">')[1].split("</tr>")[0]
    assert 'data-value="2.45">2.450<' in row
    assert "4.5" in row
    assert 'id="reading-table"' not in training_page(ROW)


def test_json_in_a_script_has_no_end_tag() -> None:
    assert "<" not in script_json({"a": "</script><!--"})


def test_batches_left_out_are_a_table_and_overflows_a_sentence() -> None:
    row = {**ROW, "sequences": [8, 15]}
    bad = [{**row, "step": step, "left_out": "spike", "why": f"<b>{step}</b>"} for step in range(2, 60)]
    page = training_page(ROW, *bad, {**row, "left_out": "overflow", "why": "fp16"})
    assert "The first 50 of 58." in page
    assert page.count('<tr data-step="') == 50
    assert "&lt;b&gt;2&lt;/b&gt;" in page
    assert "1 step skipped: fp16 loss scaling." in page
    clean = training_page(ROW)
    assert 'id="left-out"' not in clean
    assert 'id="ranks"' not in clean
    assert 'id="layers"' not in clean


def test_use_of_the_peak_is_shown_where_it_is_known() -> None:
    page = training_page(*({**ROW, "mfu": share, "memory_mb": 70_000.0} for share in (0.4, 0.5)))
    assert 'id="mfu" data-value="0.45"' in page
    assert 'data-figure="chart-metric-mfu"' in page
    assert 'id="memory" data-value="70000.0"' in page


def test_any_further_number_is_a_curve() -> None:
    page = training_page(*({**ROW, "reward/mean": share} for share in (0.0, 0.1)))
    assert 'data-figure="chart-metric-reward-mean"' in page
    assert "<figcaption>reward/mean</figcaption>" in page
    assert "chart-metric" not in training_page(ROW)


def test_templates_name_no_other_place() -> None:
    texts = [path.read_text() for path in (*TEMPLATES.iterdir(), *PART_TEMPLATES.rglob("*.j2"))]
    assert not any("//cdn" in text or "https://" in text for text in texts)
