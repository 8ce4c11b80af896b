from pathlib import Path

from stages.formats.chat.syntheses import Relative, Round, Synthesis, write_synthesis
from stages.formats.kinds import KINDS
from stages.report.build import build_report
from stages.report.part import Material, Missing, View
from stages.report.parts.synthesis.part import show
from stages.teacher.meter import Meter, Spent, spent_file
from stages.teacher.request import Answer, Request
from stages.teacher.settings import BudgetSettings
from tests.stages.report.journey import START, made

TREE = (
    Relative(id="s", text="seed <b>", how="human"),
    Relative(id="g1", text="child", how="generate", round=1, parents=("s",)),
    Relative(id="g2", text="grandchild", how="generate", round=2, parents=("g1", "s")),
)
GROWN = Synthesis(
    method="self_instruct",
    noun="instruction",
    requests={"generate": 2},
    prompt_tokens=1_000_000,
    answer_tokens=500_000,
    candidates=10,
    kept=7,
    rejected={"too_short": 1, "too_similar": 2},
    samples=({"reason": "too_similar", "text": "twice", "detail": "0.9 with s"},),
    rounds=(Round(candidates=4, kept=3, pool=5), Round(candidates=6, kept=4, pool=9)),
    families=(TREE,),
)
ANSWERED = Synthesis(method="self_instruct", noun="instance", candidates=9, kept=8, rejected={"no_instance": 1})


def test_units_are_summed_by_what_they_kept_and_the_cost_is_at_the_prices(tmp_path: Path) -> None:
    for name, unit in (("a", GROWN), ("b", ANSWERED), ("c", ANSWERED)):
        write_synthesis(tmp_path / name, unit)
    files = tuple(made(KINDS.synthesis, "x", tmp_path / name) for name in "abc")
    budget = BudgetSettings(cost=9, price_in=2, price_out=10)
    meter = Meter(spent_file(tmp_path, "x"), "w", budget, None)
    request = Request(messages=())
    meter.reserve(request)
    meter.settle(request, Answer(text="", finish="stop", prompt_tokens=1_000_000, answer_tokens=500_000))
    shown = show(Material(section="x", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    instructions, instances = shown.values["groups"]
    assert (instructions.kept, instances.kept, instances.rejected) == (7, 16, {"no_instance": 2})
    assert list(instructions.rejected) == ["too_similar", "too_short"]
    assert shown.values["spent"] == Spent(requests=1, tokens=1_500_000, cost=2.0 + 5.0)
    assert [each.pool for each in shown.values["rounds"]] == [5, 9]
    assert [(depth, relative.id) for depth, relative in shown.values["families"][0]] == [(0, "s"), (1, "g1"), (2, "g2")]
    assert [(card.value, card.note) for card in shown.cards] == [(16, "of 18 instances")]
    build_report(tmp_path, files, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for text in ("7</span> at the prices", "too_similar", "seed &lt;b&gt;", "0.9 with s", "grandchild"):
        assert text in page


def test_a_section_without_chats_has_not_run(tmp_path: Path) -> None:
    shown = show(Material(section="x", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section x has neither read nor made chats")
