"""Frozen models, and frozen weights of trained ones: no gradient, no optimizer state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import tee

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.pipeline_parallel import get_forward_backward_func
from torch import Tensor

from stages.model import device
from stages.model.checkpoint.load import DTYPES
from stages.model.decoder import Decoder, global_name
from stages.train.config import TrainingConfig
from stages.train.engines.context import of_this_context_rank
from stages.train.objectives.base import Annotate, Batch, Model, Role


def columns(
    chunks: Sequence[torch.nn.Module],
    annotate: Annotate,
    batches: Iterator[Batch],
    *,
    num_microbatches: int,
    seq_len: int,
    microbatch: int,
) -> list[Batch]:
    """Return the columns of each microbatch, without gradients; none except on the last pipeline stage."""

    def step(batches: Iterator[Batch], model: Model) -> tuple[Tensor, Callable[..., Batch]]:
        output, columns_of = annotate(batches, model)
        return output, lambda output, non_loss_data: columns_of(output)

    own = (of_this_context_rank(batch) for batch in batches)
    with torch.no_grad():
        found: list[Batch] = get_forward_backward_func()(
            forward_step_func=step,
            data_iterator=own if len(chunks) == 1 else list(tee(own, len(chunks))),
            model=list(chunks),
            num_microbatches=num_microbatches,
            seq_length=seq_len,
            micro_batch_size=microbatch,
            forward_only=True,
            collect_non_loss_data=True,
        )
    return found


class FrozenModel:
    """A rank's part of a model that is not trained, split as the trained ones are by tensor and pipeline parallelism.

    Every data parallel rank has its part whole, also with ZeRO.
    """

    def __init__(self, config: TrainingConfig, role: Role, vocab_size: int, rows: int) -> None:
        self._microbatch, self._seq_len = config.microbatch * rows, role.config.seq_len
        layout, dtype = config.layout, DTYPES[config.dtype]
        self.chunks = [
            role.build(role.config, vocab_size, dtype, chunk=number, sp=layout.sp)
            for number in range(layout.interleave)
        ]
        for chunk in self.chunks:
            chunk.to(device.device())
            role.starting_weights(config.seed)(chunk)
            chunk.to(dtype).eval().requires_grad_(False)

    def annotate(self, annotate: Annotate, batches: Iterator[Batch], num_microbatches: int) -> list[Batch]:
        """Return the columns of each microbatch: see `columns`."""
        return columns(
            self.chunks,
            annotate,
            batches,
            num_microbatches=num_microbatches,
            seq_len=self._seq_len,
            microbatch=self._microbatch,
        )


def freeze(chunks: Sequence[Decoder], role: Role) -> None:
    """Freeze the weights of a role that are not trained. Collective.

    Raises ValueError if nothing is left to train on any pipeline stage.
    """
    trained = 0
    for chunk in chunks:
        for name, weight in chunk.named_parameters():
            is_frozen = role.is_frozen(global_name(chunk, name))
            weight.requires_grad_(not is_frozen)
            trained += not is_frozen
    everywhere = torch.tensor(trained, device=device.device())
    dist.all_reduce(everywhere, group=parallel_state.get_pipeline_model_parallel_group())
    if not everywhere:
        raise ValueError(f"frozen {[*role.frozen]}: nothing is left to train")
