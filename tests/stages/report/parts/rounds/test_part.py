from pathlib import Path
from typing import Any

import pytest

from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rounds import write_rounds
from stages.report.part import Material, Missing, View
from stages.report.parts.rounds.part import show, spread
from tests.stages.report.journey import START, made


def row(number: int, **numbers: float) -> dict[str, Any]:
    known = {"score": float(number), "kl": 0.5 * number, "length": 9.0, "entropy": 2.0, "ended": 1.0, **numbers}
    sample = {"prompt": "a/1", "question": "Why?", "text": "<b>so</b>", "finish": "eos", "score": 1.0, "kl": 0.1}
    about = {"round": number, "step": 8 * number, "policy": "p", "beta": 0.02, "next_beta": 0.02}
    return {**about, "numbers": known, "finishes": {"eos": 3, "length": number}, "samples": [sample]}


def test_the_numbers_are_curves_and_the_last_score_is_the_card(tmp_path: Path) -> None:
    write_rounds(tmp_path / "rounds.jsonl", [row(number) for number in range(9)])
    files = (made(KINDS.rounds, "ppo", tmp_path / "rounds.jsonl"),)
    shown = show(Material(section="ppo", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert shown.figures["chart-round-kl"]["data"][0]["y"] == [0.5 * number for number in range(9)]
    assert shown.figures["chart-round-ended"]["layout"]["yaxis"]["range"] == [-0.02, 1.02]
    assert "chart-round-explained-variance" not in shown.figures
    (against,) = shown.figures["chart-score-kl"]["data"]
    assert (against["x"], against["y"]) == ([0.5 * number for number in range(9)], [*map(float, range(9))])
    assert shown.cards[0].value == 8.0
    assert shown.values["finishes"] == ["eos", "length"]


@pytest.mark.parametrize(("count", "places"), [(1, [0]), (3, [0, 1, 2]), (10, [0, 3, 6, 9])])
def test_the_first_and_the_last_round_are_shown_with_some_between(count: int, places: list[int]) -> None:
    assert [each["round"] for each in spread([row(number) for number in range(count)])] == places


def test_a_section_without_a_round_has_not_run(tmp_path: Path) -> None:
    shown = show(Material(section="ppo", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section ppo has finished no round")
