"""The model of a checkpoint as its state.json describes it, and whether a training can start from it. Light."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stages.model.checkpoint.names import COMPLETE, STATE
from stages.model.config import ModelConfig
from stages.model.huggingface.config import differences, require_same_shape
from stages.model.senses import SENSES
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import read_json, sha256_file

FREE = ("head", "extra_tokens")
"""Settings of a model that may be others than those of the checkpoint whose weights it starts from. Adapters and a
sense may be new."""
REWARD = "reward"
"""Key of a RewardScale in state.json."""
WEIGHT_TYPES = ("fp32", "bf16", "fp16")
UNIT = -4
"""From here on a path's parts name a unit of a run, whatever section makes it: step, `units`, unit, file."""


@dataclass(frozen=True, kw_only=True)
class RewardScale:
    """What a reward model's scores mean."""

    shift: float
    """Mean score of demonstrations: a reward is the score minus it (arXiv:2203.02155, section 3.5)."""
    end_of_context: str = ""
    """Token that is appended to a conversation, and where the score is read; empty: the token that ends the answer."""


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
    reward: RewardScale | None = None
    """Of a reward model whose scores were measured."""


@dataclass(frozen=True, kw_only=True)
class PlannedModel:
    """The model of a checkpoint that the run has yet to make: Output.about of a training."""

    model: ModelConfig
    dtype: str
    tokenizer: str
    """Where its tokenizer is or will be: InputFile.where."""
    start: str = ""
    """Where the weights are that its training starts from: InputFile.where; empty: they are drawn from the seed."""

    def text(self) -> str:
        """Return the JSON of it."""
        return json.dumps({**vars(self), "model": self.model.model_dump(mode="json")}, sort_keys=True)

    @classmethod
    def of(cls, file: InputFile) -> PlannedModel | None:
        """Return the model of a checkpoint of the run; None of a file from outside, which may be opened."""
        if not file.about:
            return None
        found = json.loads(file.about)
        return cls(**{**found, "model": ModelConfig(**found["model"])})


def name_of(file: InputFile) -> Path:
    """Return what a message calls a checkpoint: its section and source while it is to be made, else its path."""
    return Path(file.section, file.source) if file.section else file.path


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
            reward=RewardScale(**state[REWARD]) if state.get(REWARD) else None,
        )
    except (KeyError, TypeError, ValueError, ConfigError, ValidationError) as error:
        raise DataError(checkpoint, f"state.json lacks or misstates {error}", "Train it again") from error


def read_sealed(folder: Path) -> CheckpointSettings:
    """Return what a checkpoint's model is, as read_settings does. Raises DataError also if the folder is not sealed."""
    if not (folder / COMPLETE).is_file():
        problem = f"no complete checkpoint ({COMPLETE} is missing)"
        raise DataError(folder, problem, "Name a checkpoint folder of this project")
    return read_settings(folder)


def require_tokenizer(checkpoint: InputFile, tokenizers: Sequence[InputFile]) -> None:
    """Raise DataError if a tokenizer is not that of a checkpoint, as far as both are known before anything runs.

    A checkpoint from outside has the digest of its tokenizer; one of the run has the tokenizer's place.
    """
    planned = PlannedModel.of(checkpoint)
    for file in tokenizers:
        if planned is None:
            is_other = (
                not (file.section or checkpoint.section)
                and sha256_file(file.path) != read_sealed(checkpoint.path).tokenizer_sha256
            )
        else:
            is_other = _are_other(planned.tokenizer, file)
        if is_other:
            remedy = "Set `tokenizer` to that of its training"
            raise DataError(name_of(checkpoint), "trained with another tokenizer", remedy)


def _are_other(theirs: str, ours: InputFile) -> bool:
    """Return whether two tokenizers are known to be different: two files, or two units that make them."""
    one, other = Path(theirs), ours.path
    if one.is_file() and other.is_file():
        return sha256_file(one) != sha256_file(other)
    return not one.exists() and not other.exists() and one.parts[UNIT:] != other.parts[UNIT:]


def require_fitting(checkpoint: Path, found: ModelConfig, config: ModelConfig, layers_on_top: int = 0) -> None:
    """Raise DataError if a model cannot start from the weights of a checkpoint, which has the model `found`.

    `layers_on_top` of the model repeat the checkpoint's highest ones.
    """
    other = {name: value for name, value in differences(config, found).items() if name not in FREE}
    other.pop("num_layers", None)
    if config.num_layers != found.num_layers + layers_on_top:
        other["num_layers"] = found.num_layers + layers_on_top
    elif layers_on_top > found.num_layers:
        raise DataError(checkpoint, f"has {found.num_layers} layers", f"Repeat at most as many, not {layers_on_top}")
    if config.position == "glm" and config.seq_len != found.seq_len:
        other["seq_len"] = found.seq_len
    for name in ("lora", *SENSES):
        if getattr(found, name) is None:
            other.pop(name, None)
    kept = config.extra_tokens[: len(found.extra_tokens)]
    if kept != found.extra_tokens:
        other["extra_tokens"] = [*found.extra_tokens]
    require_same_shape(checkpoint, other)
