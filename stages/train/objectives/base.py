"""The interface of an objective: the columns of a batch, the models that take part in a step, and their loss.

The loop takes any objective. A model takes part under the name of its role (policy, reference, value). In each step
the frozen models come first, in the order of `roles`: `annotate` makes columns of their output. Then the trained
models run forward and back, each with the loss that `forward` returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Protocol

import torch
from megatron.core.models.gpt import GPTModel
from torch import Tensor
from torch.utils.data import Dataset

from stages.model.config import ModelConfig
from stages.model.decoder import build_model, initialise
from stages.model.huggingface.tensors import EMBEDDING, HEAD
from stages.model.layers.adapters import is_adapter
from stages.model.layers.attention import Documents
from stages.model.layers.noise import EmbeddingNoise
from stages.model.senses import is_of_sense
from stages.model.spliced import Perceived

Batch = dict[str, Tensor]
SetWeights = Callable[[GPTModel], None]
"""Fills a rank's model with the weights that training starts from."""


@dataclass(frozen=True)
class Column:
    """One column of a batch: what every sample has of it, and how the loader joins that."""

    shape: tuple[int, ...] | None = ()
    """Of a sample's tensor; a batch's has the samples as a first axis more. None: any length; a batch's are joined end
    to end and stay on the host."""
    dtype: torch.dtype = torch.int64
    padding: float | None = None
    """Fills a sample up to `shape`, at the end of each axis. None: a sample has `shape`."""


@dataclass(frozen=True)
class LossOutputs:
    """The loss of a microbatch."""

    total: Tensor
    """Summed loss, differentiable."""
    count: Tensor
    """Labels (pairs, rows) that it is summed over. The gradient is divided once, by their count over all ranks and
    microbatches of the step: no label weighs more because of its microbatch."""
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    """Sum and weight, [2], by names of Objective.metrics. A step's metric is its sum over its weight."""

    def with_metrics(self, **metrics: Tensor) -> LossOutputs:
        """Return the same loss with further metrics, each a sum and its weight, [2]."""
        return replace(self, metrics={**self.metrics, **metrics})

    def detached(self) -> LossOutputs:
        """Return the numbers without their graph."""
        metrics = {name: pair.detach() for name, pair in self.metrics.items()}
        return LossOutputs(self.total.detach(), self.count, metrics)


LossOf = Callable[[Tensor], LossOutputs]
"""Returns the loss of a model's output. Called on the last pipeline stage alone."""
ColumnsOf = Callable[[Tensor], Batch]
"""Returns further columns, given a frozen model's output. Called on the last pipeline stage alone."""
Forward = Callable[[Iterator[Batch], "Model"], tuple[Tensor, LossOf]]
"""Takes one microbatch through a model; returns the model's output and the function for its loss."""
Annotate = Callable[[Iterator[Batch], "Model"], tuple[Tensor, ColumnsOf]]
"""Takes one microbatch through a frozen model; returns its output and the function for the columns."""


class Model(Protocol):
    """A rank's part of a model, as stages.model.decoder.Decoder is called."""

    def __call__(
        self,
        tokens_BT: Tensor,
        positions: Tensor,
        hidden: Tensor | None = None,
        documents: Documents | None = None,
        noise: EmbeddingNoise | None = None,
        perceived: Perceived | None = None,
    ) -> Tensor:
        """Return the head's output, or the hidden states of a pipeline stage that is not the last."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """A model that takes part in a step."""

    config: ModelConfig
    build: Callable[..., Any] = build_model
    """Builds a rank's part of the model, with the arguments of build_model: `config`'s decoder, or a model around it,
    which brings weights to start from."""
    set_weights: SetWeights | None = None
    """Weights to start from; None: drawn from the seed."""
    frozen: tuple[str, ...] = ()
    """Patterns (fnmatch) of names of weights, such as `decoder.layers.0.*`, that are not trained: they have no
    gradient, no optimizer state and no part in the gradient's norm. `*`: the whole model. With adapters the decoder's
    weights are frozen, except these and a scalar head."""
    each_step: bool = True
    """Of a frozen model: whether it takes part in every step. False: a feed runs it where it has use for it."""
    lr_ratio: float = 1.0
    """Learning rate as a multiple of the schedule's."""
    average: float | None = None
    """Decay a step of an exponential average of the weights, which is saved as `average`; None: there is none. Of the
    main model."""

    @property
    def is_trained(self) -> bool:
        """Whether any weight is trained."""
        return "*" not in self.frozen

    def is_frozen(self, name: str) -> bool:
        """Return whether a weight, by its global name, is not trained."""
        lora = self.config.lora
        if lora and not is_adapter(name) and not is_of_sense(name):
            is_new_head = name == HEAD and self.config.head == "scalar"
            return not (is_new_head or (lora.embeddings and name in (EMBEDDING, HEAD)))
        return any(fnmatchcase(name, pattern) for pattern in self.frozen)

    def starting_weights(self, seed: int) -> SetWeights:
        """Return the function that sets the weights to start from."""
        return self.set_weights or partial(initialise, config=self.config, seed=seed)


class Objective(ABC):
    """What a training minimises."""

    def __init__(
        self, columns: Mapping[str, Column], roles: Mapping[str, Role], metrics: Sequence[str] = (), rows: int = 1
    ) -> None:
        """Declare the batch's columns, the models by role, the names of all metrics, and the rows that a sample takes
        in the models' batches (2 for a pair of texts).

        The first trained model is the main one: its loss is the step's loss.
        """
        self.columns, self.roles, self.metrics, self.rows = columns, roles, metrics, rows

    def dataset(self, texts: Dataset[Batch]) -> Dataset[Batch]:
        """Return this objective's samples, one for each sequence of the sources: those themselves unless overridden."""
        return texts

    def part(self, role: str, samples: Sequence[Batch]) -> Sequence[Batch]:
        """Return those of a step's samples that pass through a model: all unless overridden."""
        return samples

    @abstractmethod
    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return a trained model's output for a batch, and the function that returns its loss."""

    def annotate(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, ColumnsOf]:
        """Return a model's output for a batch, and the function that returns columns of it.

        Frozen models are called in each step, for the models after them: on the last pipeline stage the columns are in
        the batch, for losses, not for inputs of other models. A feed calls any model: Models.annotate.
        """
        raise NotImplementedError(f"{type(self).__name__} makes no columns")
