"""An exponential average of a model's weights: part of a checkpoint, and saved as weights of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, ShardedTensor, StateDict
from torch import Tensor

from stages.train.engine import Engine


class Average:
    """This rank's part of the average, float32. It begins as the weights that the training starts from."""

    def __init__(self, engine: Engine, decay: float) -> None:
        self.decay = decay
        self._values: dict[str, Tensor] = {
            name: shard.data.detach().float().clone() for name, shard in engine.weights().items()
        }

    @torch.no_grad()
    def update(self, engine: Engine) -> None:
        """Take the weights after a step: average = decay x average + (1 - decay) x weights."""
        for name, shard in engine.weights().items():
            self._values[name].lerp_(shard.data.float(), 1 - self.decay)

    def state(self, engine: Engine) -> ShardedStateDict:
        """Return the average under the weights' global names, float32, to save or to load. Collective."""
        return {name: _with_data(shard, self._values[name]) for name, shard in engine.weights().items()}

    def load(self, state: StateDict) -> None:
        """Load a checkpoint's values of `state`."""
        for name, value in state.items():
            self._values[name].copy_(value)

    def weights(self, engine: Engine) -> ShardedStateDict:
        """Return the average as weights of the model's type. Collective."""
        found = engine.weights()
        return {name: _with_data(shard, self._values[name].to(shard.data.dtype)) for name, shard in found.items()}


def _with_data(shard: Any, data: Tensor) -> Any:
    """Return other numbers in the place of a weight, which is a ShardedTensor, or a factory of several."""
    return replace(shard, data=data, **({"dtype": data.dtype} if isinstance(shard, ShardedTensor) else {}))
