"""What the loop asks of what splits, differentiates and updates the weights: the same of Megatron and of DeepSpeed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from megatron.core.models.gpt import GPTModel
from torch import Tensor
from torch.nn import Parameter

from stages.model.decoder import initialise, take_documents
from stages.train.config import TrainingConfig
from stages.train.engines.megatron import MegatronEngine
from stages.train.objectives.next_token import Batch, Objective

SetWeights = Callable[[GPTModel], None]
"""Fills a rank's model with the weights that training starts from."""


Share = tuple[Parameter, Tensor, Tensor]
"""A weight of the rank's model, a piece of its numbers, and the gradient of those, before it is clipped."""


class Engine(Protocol):
    """A rank's share of what is trained. A step is `accumulate`, `gradient_norm`, then `update` or `drop`.

    Between two steps there may be an `evaluate`.
    """

    @property
    def chunks(self) -> Sequence[GPTModel]:
        """The bare models, in order of their layers: one, but for interleaved pipeline stages."""

    @property
    def is_scaled(self) -> bool:
        """Whether the next step's loss is scaled for fp16, and the scale can fall: the gradient may overflow."""

    def accumulate(self, objective: Objective, batches: Iterator[Batch], num_microbatches: int) -> list[Tensor]:
        """Run the step's microbatches forward and back; return each one's summed loss and labels, [2] float32.

        The list is empty but on the last pipeline stage. Gradients are those of the loss a label, over all ranks.
        """

    def evaluate(self, objective: Objective, batches: Iterator[Batch], num_microbatches: int) -> list[Tensor]:
        """Run microbatches forward alone, as nothing is learned: without noise and with room for all in every expert.

        Returns what `accumulate` returns. The next step is the same as if there had been none of it.
        """

    def gradient_norm(self) -> float:
        """Return the norm of the whole gradient, not finite if a number in it is not. After `accumulate`."""

    def shares(self) -> Iterator[Share]:
        """Yield this rank's share of the model; data parallel ranks have all of it between them. After `gradient_norm`.

        What tensor or pipeline parallel ranks all have is in the share of each.
        """

    def update(self, lr: float) -> bool:
        """Clip the gradient and apply it; False if fp16 overflowed and nothing was applied. After `gradient_norm`."""

    def drop(self) -> None:
        """Forget the gradient. After `gradient_norm`."""

    def weights(self) -> ShardedStateDict:
        """Return the weights under their global names, for a checkpoint. Collective."""

    def state(self, *, is_loading: bool) -> ShardedStateDict:
        """Return the weights and all that the optimizer remembers, for a checkpoint. Collective."""

    def load(self, state: StateDict) -> None:
        """Take over what a checkpoint held for `state(is_loading=True)`."""

    def reset(self, set_weights: SetWeights) -> None:
        """Put other weights in place of the trained ones, for `weights`: there is no training on from them."""


def build_engine(config: TrainingConfig, vocab_size: int, set_weights: SetWeights | None = None) -> Engine:
    """Return the engine with the weights to start from; call it on every rank, after stages.model.parallel.start.

    None draws them from the seed.
    """
    engine = _engine_class(config)(config, vocab_size, set_weights or drawn(config))
    if not config.attend_across_documents:
        for chunk in engine.chunks:
            take_documents(chunk)
    return engine


def _engine_class(config: TrainingConfig) -> type[Engine]:
    if config.engine == "megatron":
        return MegatronEngine
    # Not above: it reads its environment and changes it while it is imported, and not every run needs it.
    from stages.train.engines.deepspeed import DeepSpeedEngine  # noqa: PLC0415

    return DeepSpeedEngine


def drawn(config: TrainingConfig) -> SetWeights:
    """Return what draws a run's weights from its seed."""
    return partial(initialise, config=config.model, seed=config.seed)
