"""Checks of a training whose pairs of a step are each other's negatives. Light."""

from __future__ import annotations

from typing import Any

from stages.shared.errors import ConfigError
from stages.train.config import TrainingConfig


def require_together(config: TrainingConfig) -> None:
    """Raise ConfigError unless a step is one microbatch a rank on one pipeline stage, and has two pairs or more."""
    if config.engine != "megatron" or config.layout.pp > 1 or config.layout.cp > 1:
        raise ConfigError("layout", config.layout.model_dump(), "pp 1 and cp 1, with engine megatron: two towers")
    if config.ramp is not None:
        raise ConfigError("ramp", config.ramp.model_dump(), "absent: pairs of a step are each other's negatives")
    together = config.global_batch // config.layout.dp
    if config.microbatch != together:
        wanted = f"global_batch / layout.dp ({together}): pairs of a step are each other's negatives"
        raise ConfigError("microbatch", config.microbatch, wanted)
    if config.global_batch < 2:
        raise ConfigError("global_batch", config.global_batch, "at least 2: a pair alone has no negative")


def require_absent(stage: str, values: dict[str, Any]) -> None:
    """Raise ConfigError for a setting that a stage of pictures and captions has no use for."""
    for name, value in values.items():
        if value is not None:
            wanted = "everything" if name == "continue_with" else "absent"
            raise ConfigError(name, value, f"{wanted} in {stage} (encoder_from starts from an encoder)")
