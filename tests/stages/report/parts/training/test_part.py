from math import nan
from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.metrics import FIELDS, Metrics
from stages.report.part import Material, Missing
from stages.report.parts.training.part import further_curves, show, view
from stages.report.parts.training.read import TrainingFiles
from tests.stages.report.journey import START, made

ROW = dict.fromkeys(FIELDS, 1)


def test_every_further_number_has_a_curve_and_nothing_else_has() -> None:
    rows: list[Metrics] = [
        {**ROW, "reward/mean": 1.0, "note": "text", "sequences": [0, 7], "is_sharp": True},
        {**ROW, "reward_mean": 2.0, "kl": nan, "heldout": 3.0, "left_out": "spike", "why": "w", "back_to": 4},
    ]
    curves = further_curves(TrainingFiles(rows=rows))
    assert {place: curve.title for place, curve in curves.items()} == {
        "chart-metric-reward-mean": "reward/mean",
        "chart-metric-reward-mean~2": "reward_mean",
        "chart-metric-kl": "kl",
    }


def test_a_number_on_held_out_sequences_is_a_second_curve_beside_its_own() -> None:
    rows = [{**ROW, "accuracy": 0.5}, {**ROW, "step": 2, "accuracy": 0.6, "heldout_accuracy": 0.4, "heldout_f1": 0.3}]
    curves = further_curves(TrainingFiles(rows=rows))
    assert [curve.title for curve in curves.values()] == ["accuracy", "heldout_f1"]
    training, heldout = curves["chart-metric-accuracy"].figure["data"]
    assert (training["name"], training["y"]) == ("training", [0.5, 0.6])
    assert (heldout["name"], heldout["x"], heldout["y"]) == ("held-out text", [2], [0.4])


def test_well_known_metrics_have_titles() -> None:
    rows = [{**ROW, "mfu": 0.4, "memory_mb": 812.0, "dropped": 0.1}]
    titles = [curve.title for curve in further_curves(TrainingFiles(rows=rows)).values()]
    assert titles == ["Share of the GPUs' peak", "Memory of the fullest rank, MB", "Full experts, share"]


def test_the_card_is_the_last_loss_of_a_batch_that_was_trained_on() -> None:
    rows: list[Metrics] = [
        {**ROW, "loss": 6.0},
        {**ROW, "step": 20, "loss": 2.0, "tokens": 40_960},
        {**ROW, "loss": 9, "left_out": "x"},
    ]
    (card,) = view(TrainingFiles(rows=rows)).cards
    assert (card.value, card.note) == (2.0, "from 6.000, in 20 steps over 41\u202fk tokens")


def test_a_training_without_steps_is_nothing_to_show(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    files = (made(KINDS.metrics, "pretrain", tmp_path / "metrics.jsonl"),)
    shown = show(Material(section="pretrain", files=files, run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section pretrain has trained no step")
