"""The model of a checkpoint as its state.json describes it, and whether a training can start from it. Light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stages.model.checkpoint.names import COMPLETE, STATE
from stages.model.config import ModelConfig
from stages.model.huggingface.config import differences, require_same_shape
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import read_json, sha256_file

FREE = ("head", "extra_tokens")
"""Settings of a model that may be others than those of the checkpoint whose weights it starts from."""
WEIGHT_TYPES = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """The model of a checkpoint, as its state.json describes it."""

    config: ModelConfig
    vocab_size: int
    """Pieces of the tokenizer it was trained with."""
    dtype: str
    """Of the weights: one of WEIGHT_TYPES."""
    tokenizer_sha256: str
    """Digest of the `.model` it was trained with."""
    step: int
    """Steps trained; 0 is untrained."""


def read_state(folder: Path) -> dict[str, Any]:
    """Return state.json. Raises DataError if it is missing or no JSON object."""
    try:
        state = read_json(folder / STATE)
    except (OSError, ValueError) as error:
        raise DataError(folder / STATE, f"unreadable ({error})", "Use a checkpoint folder of this project") from error
    if not isinstance(state, dict):
        raise DataError(folder / STATE, "no JSON object", "Use a checkpoint folder of this project")
    return state


def read_settings(checkpoint: Path) -> CheckpointSettings:
    """Return what a checkpoint's model is. Raises DataError if its state.json does not say."""
    state = read_state(checkpoint)
    try:
        if state["dtype"] not in WEIGHT_TYPES:
            raise ValueError(f"dtype {state['dtype']!r}")
        return CheckpointSettings(
            config=ModelConfig(**state["model"]),
            vocab_size=int(state["vocab_size"]),
            dtype=state["dtype"],
            tokenizer_sha256=str(state["tokenizer_sha256"]),
            step=int(state["step"]),
        )
    except (KeyError, TypeError, ValueError, ConfigError, ValidationError) as error:
        raise DataError(checkpoint, f"state.json lacks or misstates {error}", "Train it again") from error


def read_sealed(folder: Path) -> CheckpointSettings:
    """Return what a checkpoint's model is, as read_settings does. Raises DataError also if the folder is not sealed."""
    if not (folder / COMPLETE).is_file():
        problem = f"no complete checkpoint ({COMPLETE} is missing)"
        raise DataError(folder, problem, "Name a checkpoint folder of this project")
    return read_settings(folder)


def require_tokenizer(folder: Path, found: CheckpointSettings, tokenizers: Sequence[InputFile]) -> None:
    """Raise DataError if one of the tokenizers that are there already, from outside the run, is not a checkpoint's."""
    for file in tokenizers:
        if not file.section and sha256_file(file.path) != found.tokenizer_sha256:
            raise DataError(folder, "trained with another tokenizer", "Set `tokenizer` to that of its training")


def require_fitting(folder: Path, found: CheckpointSettings, config: ModelConfig) -> None:
    """Raise DataError if a model cannot start from the weights of a checkpoint."""
    other = {name: value for name, value in differences(config, found.config).items() if name not in FREE}
    if config.position == "glm" and config.seq_len != found.config.seq_len:
        other["seq_len"] = found.config.seq_len
    kept = config.extra_tokens[: len(found.config.extra_tokens)]
    if kept != found.config.extra_tokens:
        other["extra_tokens"] = [*found.config.extra_tokens]
    require_same_shape(folder, other)
