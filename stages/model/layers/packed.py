"""Matrices in blocks, the layout that oneDNN's kernels multiply with on a CPU: for models that are only asked.

A row's product with a matrix in blocks has the same bits among any other rows. In float32, on one thread of an EPYC, it
runs at 55 to 105 GFLOP/s for 6 to 24 rows, in place of 16 to 83, and at 110 in place of 98 for 768 rows.

oneDNN writes code for each number of rows and keeps it: 0.6 MB a matrix. So rows are multiplied in few sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

_MANY = 256
"""Multiples of so many rows are multiplied at once."""
_LARGE = (128, 64, 32)
"""Rows of the rest that are multiplied at a time, beginning with the most."""
_SMALL = (1, 2, 4, 6, 8, 12, 16, 24, 32)
"""What is left is filled up to one of these."""

# Shape suffixes: N = tokens, n = some of them, I = inputs, O = outputs.


def pack(module: Any) -> None:
    """Lay out a module's `weight` [O, I] in blocks, if its type and device have them; it takes no more memory so.

    Only `product` reads it then.
    """
    weight: Tensor = module.weight
    if weight.is_cpu and weight.dtype is torch.float32 and torch.backends.mkldnn.is_available():
        blocks = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
        module.weight = nn.Parameter(blocks, requires_grad=False)


def product(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """Return x times the transposed matrix, with the bias, [N, O]. The matrix may be in blocks."""
    if not weight_OI.is_mkldnn:
        return F.linear(x_NI, weight_OI, bias_O)
    count = x_NI.size(0)
    sizes = _sizes(count)
    if len(sizes) == 1:
        return _multiply(x_NI, weight_OI, bias_O, sizes[0])
    found_NO, first = x_NI.new_empty(count, weight_OI.size(0)), 0
    for size in sizes:
        here = slice(first, first + size)
        found_NO[here] = _multiply(x_NI[here], weight_OI, bias_O, size)
        first += size
    return found_NO


def _multiply(x_nI: Tensor, weight_OI: Tensor, bias_O: Tensor | None, size: int) -> Tensor:
    """Return the product for up to `size` rows: so many are multiplied."""
    missing = size - x_nI.size(0)
    filled_nI = F.pad(x_nI, (0, 0, 0, missing)) if missing else x_nI
    found_nO: Tensor = torch.ops.mkldnn._linear_pointwise(filled_nI, weight_OI, bias_O, "none", [], "")
    return found_nO[:-missing] if missing else found_nO


@lru_cache(maxsize=4096)
def _sizes(count: int) -> Sequence[int]:
    """Return the numbers of rows that are multiplied at a time; with the last of them `count` may be passed."""
    rest = count % _MANY
    if rest > _MANY - _MANY // 4:
        return (count - rest + _MANY,)
    sizes = [count - rest] if count > rest else []
    while rest >= _LARGE[-1]:
        sizes.append(next(size for size in _LARGE if size <= rest))
        rest -= sizes[-1]
    if rest or not sizes:
        sizes.append(next(size for size in _SMALL if size >= rest))
    return tuple(sizes)
