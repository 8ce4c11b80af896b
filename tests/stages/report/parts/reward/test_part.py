"""The part about a reward model."""

from __future__ import annotations

from pathlib import Path

from stages.formats.chat.reward_reports import Bin, RewardReport, Share, write_reward_report
from stages.formats.kinds import KINDS
from stages.report.part import Material, Missing, View
from stages.report.parts.reward.part import show
from tests.stages.report.journey import START, made

REPORT = RewardReport(
    **{"shift": 0.25, "demonstrations": 9, "mean": -0.5, "deviation": 1.5},
    **{"all": Share(pairs=20, accuracy=0.9), "untrained": Share(pairs=20, accuracy=0.45)},
    longer=Share(pairs=20, accuracy=0.3),
    sources={"people": Share(pairs=16, accuracy=0.875), "<b>rules": Share(pairs=4, accuracy=1.0)},
    distances={"1": Share(pairs=20, accuracy=0.9)},
    bins=[Bin(low=0.5, high=0.55, pairs=2, predicted=0.52, accuracy=0.5)],
    **{"calibration_error": 0.02, "length_correlation": -0.1},
)


def test_the_part_shows_the_accuracy_beside_its_controls_and_a_reliability_diagram(tmp_path: Path) -> None:
    write_reward_report(tmp_path / "reward.json", REPORT)
    files = (made(KINDS.reward, "rm", tmp_path / "reward.json"),)
    shown = show(Material(section="rm", files=files, run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    assert [name for name, _ in shown.values["rows"]] == [
        "All held-out comparisons",
        "Source people",
        "Source <b>rules",
        "Ranks 1 apart",
        "Control: before the training",
        "Control: the longer response wins",
    ]
    (card,) = shown.cards
    assert (card.text, card.value) == ("90.0%", 0.9)
    assert shown.figures["chart-reliability"]["data"][0]["y"] == [0.5]


def test_a_section_without_measurements_has_not_run(tmp_path: Path) -> None:
    shown = show(Material(section="rm", files=(), run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section rm measured nothing")
