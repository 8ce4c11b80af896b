"""Comparison of a checkpoint with everything and the model of a training that continues from it. Light: `plan` asks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.model.config import ModelConfig
from stages.model.huggingface.config import differences
from stages.shared.errors import DataError
from stages.train.config import TrainingConfig

SAME = ("dtype", "vocab_size", "tokenizer_sha256")
"""What a state.json says of a model, besides its settings."""


def require_same_model(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any], config: TrainingConfig) -> None:
    """Raise DataError if a checkpoint's weights and optimizer state, by its state.json, are not those of our model."""
    require_same_settings(folder, then, now)
    ours = ModelConfig(**now["model"])
    try:
        tp = int(then["identity"]["layout"]["tp"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(folder, f"state.json lacks or misstates {error}", "Name a checkpoint of a training") from error
    rows = [ours.num_rows(now["vocab_size"], each) for each in (tp, config.layout.tp)]
    if rows[0] != rows[1]:
        remedy = f"Choose a layout.tp that divides {rows[0]}"
        raise DataError(folder, f"has {rows[0]} rows of the vocabulary, layout.tp {config.layout.tp} {rows[1]}", remedy)


def require_same_settings(checkpoint: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise DataError if a checkpoint is not of our model, as far as `now` describes it."""
    theirs, ours = ModelConfig(**then["model"]), ModelConfig(**now["model"])
    found = {name: (then.get(name), now.get(name)) for name in SAME if then.get(name) != now.get(name)}
    here = differences(theirs, ours)
    found |= {f"model.{name}": (value, here[name]) for name, value in differences(ours, theirs).items()}
    said = [f"{name} is {one!r} there, {other!r} here" for name, (one, other) in sorted(found.items())]
    if theirs.position == "glm" and theirs.seq_len != ours.seq_len:
        said.append("model.seq_len differs, and position glm has learned positions")
    if said:
        remedy = "Set what it has, or continue_with weights"
        raise DataError(checkpoint, f"a checkpoint of another model: {'; '.join(said)}", remedy)
