"""The interface between the training loop and an engine, which splits, differentiates and updates a model's weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from torch import Tensor
from torch.nn import Parameter

from stages.model.decoder import Decoder, take_documents
from stages.train.config import TrainingConfig
from stages.train.engines.megatron import MegatronEngine
from stages.train.objectives.base import Annotate, Batch, Forward, LossOutputs, Role, SetWeights

Share = tuple[Parameter, Tensor, Tensor]
"""A weight of the rank's model, a piece of its numbers, and the gradient of those, before it is clipped."""


class Engine(Protocol):
    """A rank's part of a trained model. A step is `accumulate`, `gradient_norm`, then `update` or `drop`.

    Between two steps there may be an `evaluate`.
    """

    @property
    def chunks(self) -> Sequence[Decoder]:
        """The bare models, in order of their layers: one, except for interleaved pipeline stages."""

    @property
    def is_scaled(self) -> bool:
        """Whether the next step's loss is scaled for fp16, and the scale can fall: the gradient may overflow."""

    def accumulate(self, forward: Forward, batches: Iterator[Batch], num_microbatches: int) -> list[LossOutputs]:
        """Run the step's microbatches forward and back; return each one's loss, detached.

        The list is empty except on the last pipeline stage. Gradients are those of the loss a label, over all ranks.
        """

    def evaluate(self, forward: Forward, batches: Iterator[Batch], num_microbatches: int) -> list[LossOutputs]:
        """Forward pass only, in eval mode: no dropout, no expert capacity limit. Returns what `accumulate` returns.

        Leaves no trace: the next step is the same as without it.
        """

    def annotate(self, annotate: Annotate, batches: Iterator[Batch], num_microbatches: int) -> list[Batch]:
        """Forward pass only, as `evaluate`; return the columns of each microbatch, which are those of its output.

        The list is empty except on the last pipeline stage.
        """

    def gradient_norm(self) -> float:
        """Return the norm of the whole gradient, not finite if a number in it is not. After `accumulate`.

        Side effect: on fp16 overflow, updates the loss scaler.
        """

    def shares(self) -> Iterator[Share]:
        """Yield this rank's share of the model; data parallel ranks have all of it between them. After `gradient_norm`.

        A weight that all tensor or pipeline parallel ranks have is in the share of each.
        """

    def update(self, lr: float) -> bool:
        """Clip the gradient and apply it. Returns False if fp16 overflowed and nothing was applied. After
        `gradient_norm`.
        """

    def drop(self) -> None:
        """Discard the gradient. After `gradient_norm`."""

    def weights(self) -> ShardedStateDict:
        """Return the weights under their global names, for a checkpoint. Collective."""

    def state(self, *, is_loading: bool) -> ShardedStateDict:
        """Return the weights and the optimizer's state, for a checkpoint. Collective."""

    def load(self, state: StateDict) -> None:
        """Load a checkpoint's values of `state(is_loading=True)`."""

    def reset(self, set_weights: SetWeights) -> None:
        """Replace the weights. Only for saving: training cannot continue after it."""


def build_engine(config: TrainingConfig, role: Role, vocab_size: int, rows: int = 1) -> Engine:
    """Return the engine of a trained model with the weights to start from.

    A sample is `rows` rows of the model's batch. Every rank calls it, after stages.model.parallel.start.
    """
    engine = _engine_class(config)(config, role, vocab_size, rows)
    if not config.attend_across_documents:
        for chunk in engine.chunks:
            take_documents(chunk)
    return engine


def _engine_class(config: TrainingConfig) -> Callable[[TrainingConfig, Role, int, int], Engine]:
    if config.engine == "megatron":
        return MegatronEngine
    # Not above: it reads its environment and changes it while it is imported, and not every run needs it.
    from stages.train.engines.deepspeed import DeepSpeedEngine  # noqa: PLC0415

    return DeepSpeedEngine
