"""The models of checkpoints that alignment starts from, and the reward models among them."""

from __future__ import annotations

from stages.model.checkpoint.settings import PlannedModel, name_of, read_sealed
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile
from stages.shared.errors import DataError


def model_of(file: InputFile) -> ModelConfig:
    """Return the model of a checkpoint, which the run may have yet to make."""
    planned = PlannedModel.of(file)
    return planned.model if planned else read_sealed(file.path).config


def require_scores(file: InputFile) -> None:
    """Raise DataError for a checkpoint whose model gives no scores."""
    if (head := model_of(file).head) != "scalar":
        raise DataError(name_of(file), f"a model with head {head} scores nothing", "Name a reward model: head scalar")
