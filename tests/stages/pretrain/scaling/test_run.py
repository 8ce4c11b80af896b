"""The stage on metrics of trainings: held-out losses where all have them, else the last steps'."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.metrics import FIELDS, write_metrics
from stages.formats.telemetry.scaling import read_law
from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.pretrain.scaling.config import ScalingConfig
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.harness import Files, run_stage
from tests.stages.tokenizer.conftest import documents, trained  # noqa: F401  (fixtures)


def training(folder: Path, name: str, layers: int, **row: float) -> InputFile:
    """Write the metrics of a training of four steps."""
    losses = [5.0, 4.0, 4.0 / layers, 2.0 / layers]
    rows = [
        {**dict.fromkeys(FIELDS, 1), "step": step, "tokens": 1000 * step, "loss": loss, **row}
        for step, loss in enumerate(losses, start=1)
    ]
    write_metrics(folder / name, rows)
    about = PlannedModel(model=ModelConfig(num_layers=layers), dtype="fp32", tokenizer="").text()
    return InputFile(folder / name, name, about=about)


def inputs(folder: Path, tokenizer: Path, **row: float) -> dict[str, Files]:
    files = tuple(training(folder, f"t{layers}", layers, **row) for layers in (1, 2, 4, 8))
    return {"metrics": files, "tokenizer": (InputFile(tokenizer, ""),)}


def test_the_last_steps_count_or_the_heldout_loss(trained: Path, tmp_path: Path) -> None:  # noqa: F811
    config = ScalingConfig(metrics="x", last=0.5)
    (file,) = run_stage(config, inputs(tmp_path, trained), tmp_path / "a")["scaling"]
    law = read_law(file.path)
    assert law.kind == "training"
    assert [point.loss for point in law.points] == pytest.approx([3.0, 1.5, 0.75, 0.375])
    assert law.points[0].parameters == ModelConfig(num_layers=1).num_parameters(400)
    assert {point.tokens for point in law.points} == {4000}
    assert law.exponent < 0
    (file,) = run_stage(config, inputs(tmp_path, trained, heldout=3.25), tmp_path / "b")["scaling"]
    assert {point.loss for point in read_law(file.path).points} == {3.25}


def test_two_trainings_of_one_cost_are_refused(trained: Path, tmp_path: Path) -> None:  # noqa: F811
    files = inputs(tmp_path, trained)
    twice = (*files["metrics"], training(tmp_path, "again", 8))
    with pytest.raises(DataError, match="two trainings of the same cost"):
        run_stage(ScalingConfig(metrics="x"), {**files, "metrics": twice}, tmp_path / "run")
