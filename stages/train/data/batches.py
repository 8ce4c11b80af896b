"""The part of a step's samples that falls to a rank, microbatch by microbatch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from megatron.core import parallel_state
from torch import Tensor
from torch.nn.functional import pad

from stages.model import device
from stages.train.objectives.base import Batch, Column


def microbatches(
    samples: Sequence[Batch], columns: Mapping[str, Column], microbatch: int, replicas: int
) -> Iterator[Batch]:
    """Yield this rank's microbatches of a step's samples.

    The samples are cut into as many runs as there are data parallel ranks (`replicas`), one for each: the samples of a
    step do not depend on the layout.
    """
    mine = share_of_rank(len(samples), replicas)
    for first in mine[::microbatch]:
        rows = [samples[number] for number in range(first, first + microbatch)]
        yield {name: _joined([row[name] for row in rows], column) for name, column in columns.items()}


def share_of_rank(size: int, replicas: int) -> range:
    """Return the numbers of the samples of a step of `size` that this rank takes."""
    per_rank = size // replicas
    start = parallel_state.get_data_parallel_rank() * per_rank
    return range(start, start + per_rank)


def _joined(tensors: list[Tensor], column: Column) -> Tensor:
    if column.shape is None:
        return torch.cat(tensors)
    if column.padding is not None:
        tensors = [_padded(tensor, column.shape, column.padding) for tensor in tensors]
    joined = torch.stack(tensors).to(column.dtype)
    # From pinned memory the copy is queued behind the GPU's work: this process goes on to read the next microbatch.
    return joined.pin_memory().to(device.device(), non_blocking=True) if torch.cuda.is_available() else joined


def _padded(tensor: Tensor, shape: tuple[int, ...], value: float) -> Tensor:
    missing = [wanted - size for wanted, size in zip(shape, tensor.shape, strict=True)]
    return pad(tensor, [width for size in reversed(missing) for width in (0, size)], value=value)
