"""The one checkpoint of a section that another one reads, and the reward models among them."""

from __future__ import annotations

from collections.abc import Sequence

from stages.model.checkpoint.settings import PlannedModel, name_of, read_sealed
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.train.state.names import FINAL


def final_checkpoint(field: str, files: Sequence[InputFile]) -> InputFile:
    """Return the checkpoint to take: a section's final one, or the folder that is named.

    Raises ConfigError if there is not exactly one.
    """
    if files[0].section:
        files = [file for file in files if file.path.name == FINAL]
    if len(files) != 1:
        raise ConfigError(field, [file.where for file in files], "one folder")
    return files[0]


def model_of(file: InputFile) -> ModelConfig:
    """Return the model of a checkpoint, which the run may have yet to make."""
    planned = PlannedModel.of(file)
    return planned.model if planned else read_sealed(file.path).config


def require_scores(file: InputFile) -> None:
    """Raise DataError for a checkpoint whose model gives no scores."""
    if (head := model_of(file).head) != "scalar":
        raise DataError(name_of(file), f"a model with head {head} scores nothing", "Name a reward model: head scalar")
