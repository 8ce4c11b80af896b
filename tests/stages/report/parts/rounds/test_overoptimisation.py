from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rounds import write_rounds
from stages.formats.results import Results, Score, write_results
from stages.report.collect import collect
from stages.report.page import render
from stages.report.part import View
from stages.report.parts.rounds.overoptimisation import curves_of, overoptimisation
from stages.report.parts.table import PARTS
from tests.stages.report.journey import START, evaluation_key, made
from tests.stages.report.parts.rounds.test_part import row

STEPS = (0, 8, 16, 24)
GOLD = {0: 0.5, 8: 0.8, 16: 0.7, 99: 0.1}
"""What was measured after so many steps; no round begins after 99."""


def measured(source: str, task: str, **metrics: float) -> Results:
    scores = (
        Score(task=task, metric=name, value=value, stderr=None, low=None, high=None, samples=9, chance=None,
              higher_is_better=True)
        for name, value in metrics.items()
    )  # fmt: skip
    return Results(key=evaluation_key(source, task), scores=tuple(scores))


def snapshots(training: str = "ppo") -> Iterable[Results]:
    for step, gold in GOLD.items():
        yield measured(f"{training}/step-{step}", "answers_en", gold_right=0.0, gold=gold)


def rows() -> list[dict[str, Any]]:
    return [{**row(number), "step": step} for number, step in enumerate(STEPS)]


def test_a_snapshot_stands_at_the_kl_and_the_score_of_the_round_that_it_sampled() -> None:
    (curve,) = curves_of("ppo", rows(), snapshots())
    assert curve.name == "answers_en: gold"
    assert [(point.step, point.measured) for point in curve.points] == [(0, 0.5), (8, 0.8), (16, 0.7)]
    assert [(point.kl, point.score) for point in curve.points] == [(0.0, 0.0), (0.5, 1.0), (1.0, 2.0)]
    gold, score = overoptimisation(curve)["data"]
    assert (gold["x"], gold["y"]) == ([0.0, 0.5, 1.0], [0.5, 0.8, 0.7])
    assert (score["y"], score["yaxis"]) == ([0.0, 1.0, 2.0], "y2")


def test_the_policy_before_its_first_step_is_the_first_snapshot() -> None:
    start = measured("ppo/untrained", "answers_en", gold=0.4)
    (curve,) = curves_of("ppo", rows(), [start, measured("ppo/step-8", "answers_en", gold=0.6)])
    assert [(point.step, point.measured) for point in curve.points] == [(0, 0.4), (8, 0.6)]


@pytest.mark.parametrize(
    "results",
    [
        [],
        [*snapshots("other")],
        [measured("ppo/step-8", "answers_en", gold=0.6), measured("ppo/final", "answers_en", gold=0.6)],
        [measured(f"ppo/step-{step}", "group", **{}) for step in STEPS],
    ],
)
def test_one_snapshot_another_training_and_a_group_make_no_curve(results: list[Results]) -> None:
    assert curves_of("ppo", rows(), results) == []


def test_the_page_shows_what_another_section_measured(tmp_path: Path) -> None:
    write_rounds(tmp_path / "rounds.jsonl", rows())
    files = [made(KINDS.rounds, "ppo", tmp_path / "rounds.jsonl")]
    for number, results in enumerate(snapshots()):
        write_results(tmp_path / f"{number}.json", results, {})
        files.append(made(KINDS.results, "curves", tmp_path / f"{number}.json"))
    (block,) = collect(files, tmp_path, START, {"rounds": PARTS["rounds"]})
    assert isinstance(block.view, View)
    assert block.view.figures["chart-measured-answers-en-gold"]["data"][0]["y"] == [0.5, 0.8, 0.7]
    assert 'data-task="answers_en: gold" data-step="8"' in render("run", START, [block])
