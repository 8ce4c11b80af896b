"""The documents of a batch one by one, for attention kernels that know no documents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Shape suffixes: T = tokens, B = sequences, H = heads, D = head width, L = tokens of a document.


def split(x_TBHD: Tensor, lengths: Sequence[int]) -> tuple[Tensor, ...]:
    """Return the documents, each [1, H, L, D], given the lengths, sequence after sequence."""
    parts: tuple[Tensor, ...] = _Split.apply(x_TBHD, lengths)  # type: ignore[no-untyped-call]  # torch types no Function
    return parts


def join(parts: Sequence[Tensor], tokens: int) -> Tensor:
    """Return the sequences of `tokens` tokens, [T, B, H, D], that documents fill."""
    joined: Tensor = _Join.apply(tokens, *parts)  # type: ignore[no-untyped-call]  # torch types no Function
    return joined


class _Split(torch.autograd.Function):
    """Returns views; the gradient is copied once. Autograd's own split copies to join sequences, and copies twice."""

    @staticmethod
    def forward(ctx: Any, x_TBHD: Tensor, lengths: Sequence[int]) -> tuple[Tensor, ...]:
        ctx.tokens = x_TBHD.size(0)
        return _views(x_TBHD, lengths)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _whole(grads, ctx.tokens), None


class _Join(torch.autograd.Function):
    """The inverse of _Split."""

    @staticmethod
    def forward(ctx: Any, tokens: int, *parts: Tensor) -> Tensor:
        ctx.lengths = [part.size(2) for part in parts]
        return _whole(parts, tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_TBHD: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_views(grad_TBHD, ctx.lengths)


def _views(x_TBHD: Tensor, lengths: Sequence[int]) -> tuple[Tensor, ...]:
    x_BHTD, tokens = x_TBHD.permute(1, 2, 0, 3), x_TBHD.size(0)
    places = zip((divmod(start, tokens) for start in accumulate(lengths, initial=0)), lengths, strict=False)
    return tuple(x_BHTD[row : row + 1, :, first : first + length] for (row, first), length in places)


def _whole(parts: Sequence[Tensor], tokens: int) -> Tensor:
    lengths = [part.size(2) for part in parts]
    whole_TBHD = parts[0].new_empty(tokens, sum(lengths) // tokens, parts[0].size(1), parts[0].size(3))
    for view, part in zip(_views(whole_TBHD, lengths), parts, strict=True):
        view.copy_(part)
    return whole_TBHD
