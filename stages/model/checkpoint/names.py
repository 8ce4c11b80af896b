"""Names of the files of a checkpoint that are no tensors, and its model. Light: `plan` reads it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from stages.model.config import ModelConfig
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import read_json

STATE = "state.json"
COMPLETE = "complete.json"
FREE = ("head", "extra_tokens")
"""Settings of a model that may be others than those of the checkpoint whose weights it starts from."""


def read_model(folder: Path) -> ModelConfig:
    """Return the model of a checkpoint. Raises DataError if the folder is none."""
    try:
        if not (folder / COMPLETE).is_file():
            raise ValueError(f"{COMPLETE} is missing")
        return ModelConfig(**read_json(folder / STATE)["model"])
    except (OSError, ValueError, TypeError, KeyError, ConfigError, ValidationError) as error:
        raise DataError(
            folder, f"no complete checkpoint ({error})", "Name a checkpoint folder of this project"
        ) from error
