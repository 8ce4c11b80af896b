"""The models of a training by role: those that share a step, run by the objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from math import hypot
from typing import Any

from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from megatron.core.dist_checkpointing.utils import add_prefix_for_sharding
from torch import Tensor

from stages.model.decoder import Decoder
from stages.train.average import Average
from stages.train.config import TrainingConfig
from stages.train.data.batches import microbatches
from stages.train.engine import Engine, build_engine
from stages.train.engines.frozen import FrozenModel
from stages.train.objectives.base import Batch, ColumnsOf, LossOf, LossOutputs, Model, Objective
from stages.train.state.names import AVERAGE

Losses = dict[str, list[LossOutputs]]
"""Each trained model's losses, microbatch by microbatch: empty lists except on the last pipeline stage."""
Look = Callable[[Iterator[Batch]], Iterator[Batch]]
"""Passes a step's microbatches on, and looks at them."""
ROLE = "role."
"""Start of the key of a further trained model's state in a checkpoint; the main model's state has no prefix."""


class Models:
    """A rank's part of every model. Trained ones have an engine each, with an optimizer of its own."""

    def __init__(self, config: TrainingConfig, objective: Objective, vocab_size: int) -> None:
        self._config, self.objective = config, objective
        self.engines: dict[str, Engine] = {}
        self._frozen: dict[str, FrozenModel] = {}
        for name, role in objective.roles.items():
            if role.is_trained:
                self.engines[name] = build_engine(config, role, vocab_size, objective.rows)
            else:
                self._frozen[name] = FrozenModel(config, role, vocab_size, objective.rows)
        self.main_role = next(iter(self.engines))
        decay = objective.roles[self.main_role].average
        self.average = None if decay is None else Average(self.main, decay)
        """The average of the main model's weights; None: there is none."""

    @property
    def main(self) -> Engine:
        """The engine of the main model, whose loss is the step's."""
        return self.engines[self.main_role]

    @property
    def chunks(self) -> list[Decoder]:
        """The bare trained models."""
        return [*chain.from_iterable(engine.chunks for engine in self.engines.values())]

    @property
    def is_scaled(self) -> bool:
        """Whether a gradient of the next step may overflow in fp16 because the scale of its loss is too large."""
        return any(engine.is_scaled for engine in self.engines.values())

    def accumulate(self, samples: Sequence[Batch], look: Look = iter) -> Losses:
        """Run a step's samples forward and back through every trained model; return the losses."""
        columns = self._annotations(samples)
        losses: Losses = {}
        for name, engine in self.engines.items():
            own = self.objective.part(name, samples)
            losses[name] = engine.accumulate(self._forward(name), look(self._batches(own, columns)), self._count(own))
        return losses

    def evaluate(self, samples: Sequence[Batch]) -> Losses:
        """Forward pass only: see Engine."""
        columns = self._annotations(samples)
        losses: Losses = {}
        for name, engine in self.engines.items():
            own = self.objective.part(name, samples)
            losses[name] = engine.evaluate(self._forward(name), self._batches(own, columns), self._count(own))
        return losses

    def annotate(self, role: str, samples: Sequence[Batch]) -> list[Batch]:
        """Run a model forward; return the columns of this rank's microbatches: those of Objective.annotate. Collective.

        The list is empty except on the last pipeline stage. Leaves no trace.
        """
        model = self.engines.get(role) or self._frozen[role]
        return model.annotate(self._annotate(role), self._batches(samples, []), self._count(samples))

    def _count(self, samples: Sequence[Batch]) -> int:
        return len(samples) // (self._config.microbatch * self._config.layout.dp)

    def _batches(self, samples: Sequence[Batch], columns: Sequence[Batch]) -> Iterator[Batch]:
        """Yield this rank's microbatches with the columns that frozen models have made for each."""
        config = self._config
        batches = microbatches(samples, self.objective.columns, config.microbatch, config.layout.dp)
        for number, batch in enumerate(batches):
            yield batch | columns[number] if columns else batch

    def _annotations(self, samples: Sequence[Batch]) -> list[Batch]:
        """Run the frozen models in order; return their columns, microbatch by microbatch."""
        columns: list[Batch] = []
        for name, model in self._frozen.items():
            if not self.objective.roles[name].each_step:
                continue
            made = model.annotate(self._annotate(name), self._batches(samples, columns), self._count(samples))
            columns = [old | new for old, new in zip(columns or [{}] * len(made), made, strict=True)]
        return columns

    def _forward(self, role: str) -> Callable[[Iterator[Batch], Model], tuple[Tensor, LossOf]]:
        return lambda batches, model: self.objective.forward(role, model, next(batches))

    def _annotate(self, role: str) -> Callable[[Iterator[Batch], Model], tuple[Tensor, ColumnsOf]]:
        return lambda batches, model: self.objective.annotate(role, model, next(batches))

    def gradient_norm(self) -> float:
        """Return the norm over all trained models: see Engine. Each model's gradient is clipped by its own norm."""
        return hypot(*(engine.gradient_norm() for engine in self.engines.values()))

    def update(self, lr: float) -> None:
        """Clip each model's gradient and apply it: see Engine."""
        for name, engine in self.engines.items():
            engine.update(lr * self.objective.roles[name].lr_ratio)
        if self.average is not None:
            self.average.update(self.main)

    def drop(self) -> None:
        """Discard the gradients: see Engine."""
        for engine in self.engines.values():
            engine.drop()

    def reset(self) -> None:
        """Replace the weights by those that training started from. Only for saving."""
        for name, engine in self.engines.items():
            engine.reset(self.objective.roles[name].starting_weights(self._config.seed))

    def state(self, *, is_loading: bool) -> ShardedStateDict:
        """Return the state of every trained model, for a checkpoint. Collective."""
        state = self.main.state(is_loading=is_loading)
        for name, engine in self._further():
            state[ROLE + name] = own = engine.state(is_loading=is_loading)
            add_prefix_for_sharding(own, f"{name}.")
        if self.average is not None:
            state[AVERAGE] = own = self.average.state(self.main)
            add_prefix_for_sharding(own, f"{AVERAGE}.")
        return state

    def load(self, state: StateDict, scale_ratio: float = 1.0) -> None:
        """Load a checkpoint's values of `state(is_loading=True)`; fp16's loss scales are multiplied by a ratio."""
        for name, engine in self._further():
            _load(engine, state.pop(ROLE + name), scale_ratio)
        if self.average is not None:
            self.average.load(state.pop(AVERAGE))
        _load(self.main, state, scale_ratio)

    def _further(self) -> Iterator[tuple[str, Engine]]:
        """Yield the trained models that are not the main one."""
        return ((name, engine) for name, engine in self.engines.items() if name != self.main_role)


def _load(engine: Engine, state: StateDict, scale_ratio: float) -> None:
    scaler: dict[str, Any] = state["optimizer"]["scaler"]
    if scaler:
        scaler["scale"] *= scale_ratio
    engine.load(state)
