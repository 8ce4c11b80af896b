from __future__ import annotations

from pathlib import Path

from stages.formats.conducted.scores import Answered, Overlap, PlanScores, write_plan_scores
from stages.formats.kinds import KINDS
from stages.report.build import build_report
from stages.report.part import Material, Missing, View
from stages.report.parts.plans.part import GAP_X, GAP_Y, HEIGHT, WIDTH, graph_of, show
from tests.stages.report.journey import START, made

TASKS = [
    {
        "id": 0,
        "task": "visual-question-answering",
        "dep": [],
        "expert": "eyes",
        "state": "done",
        "result": "7 <b>coins",
    },
    {"id": 1, "task": "translation", "dep": [0], "expert": "", "state": "failed", "result": "no expert"},
    {"id": 2, "task": "calculator", "dep": [0], "expert": "calculator", "state": "done", "result": "21.00"},
]
MEASURES = ("nodes", "edges", "arguments", "values")
SCORES = PlanScores(
    source="town",
    requests=4,
    unplanned=1,
    kinds={
        "plans": {measure: Overlap(right=3, planned=4, wanted=4) for measure in MEASURES},
        "another": {measure: Overlap(right=1, planned=4, wanted=4) for measure in MEASURES},
        "random": {measure: Overlap(right=0, planned=4, wanted=4) for measure in MEASURES},
    },
    answers={"en": Answered(right=2, of=3, by_chance=1), "zh": Answered(right=1, of=1)},
    states={"done": 2, "failed": 1},
    reasons={"no_expert": 1},
    samples=(
        {"id": "a", "text": "What <i>costs", "tasks": TASKS, "repairs": ["task 9: no such task"], "answer": "21"},
    ),
)


def test_units_are_summed_and_requests_are_shown_with_their_graphs(tmp_path: Path) -> None:
    for name in "ab":
        write_plan_scores(tmp_path / name, SCORES)
    files = tuple(made(KINDS.plan_scores, "planned", tmp_path / name) for name in "ab")
    shown = show(Material(section="planned", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert [(card.value, card.note) for card in shown.cards] == [(0.75, "8 requests")]
    (kind, _, cells), *_ = shown.values["rows"]
    assert (kind, cells[0]) == ("plans", ("nodes", Overlap(right=6, planned=8, wanted=8)))
    assert dict(shown.values["answers"])["en"] == Answered(right=4, of=6, by_chance=2)
    build_report(tmp_path, files, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for text in (
        "75.0",
        "What &lt;i&gt;costs",
        "7 &lt;b&gt;coins",
        "no expert 2",
        "task 9: no such task",
        "<svg class",
    ):
        assert text in page
    assert "2 requests that need experts got no plan" in page


def test_a_task_stands_right_of_what_it_needs_and_below_its_fellows() -> None:
    graph = graph_of(TASKS)
    column = WIDTH + GAP_X
    assert [(box.x, box.y) for box in graph.boxes] == [(0, 0), (column, 0), (column, HEIGHT + GAP_Y)]
    assert graph.lines == (
        (WIDTH, HEIGHT // 2, column, HEIGHT // 2),
        (WIDTH, HEIGHT // 2, column, HEIGHT + GAP_Y + HEIGHT // 2),
    )
    assert (graph.width, graph.height) == (2 * WIDTH + GAP_X, 2 * HEIGHT + GAP_Y)
    assert graph_of([]) == graph_of(()) and graph_of([]).width == 0


def test_a_section_without_scores_has_not_run(tmp_path: Path) -> None:
    shown = show(Material(section="x", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section x has scored no plan")
