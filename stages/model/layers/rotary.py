"""RoPE: queries and keys turned by an angle that grows with the position (arXiv:2104.09864, section 3.2.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Shape suffixes: T = tokens, B = sequences, H = heads, D = head width, E = D / 2.


@lru_cache(maxsize=8)
@torch.inference_mode(mode=False)
def rope_tables(tokens: int, width: int, theta: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of each position's angles, [T, E]; all layers share them."""
    exponents_E = torch.arange(0, width, 2, dtype=torch.float32, device=device) / width
    angles_TE = torch.outer(torch.arange(tokens, dtype=torch.float32, device=device), 1.0 / theta**exponents_E)
    return angles_TE.cos().to(dtype), angles_TE.sin().to(dtype)


def apply_rope(x_TBHD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
    """Return x with each head's numbers i and i + D / 2 turned as a pair, transformers' order.

    The tables may also be [B, 1, T, E]: angles of each sequence's own.

    On a CPU the result lies in memory as [B, H, T, D]: torch's flash kernel there takes a fifth longer over rows that
    lie further apart. On a GPU it lies as [T, B, H, D], as what the kernel there makes of it then does, and Megatron's
    layers want.
    """
    if not torch.is_grad_enabled():
        return _turn(x_TBHD, cos_TE, sin_TE)
    turned: Tensor = _Turn.apply(x_TBHD, cos_TE, sin_TE)  # type: ignore[no-untyped-call]  # torch types no Function
    return turned


class _Turn(torch.autograd.Function):
    """Keeps the angles alone. Megatron's way has its cosines made anew in each layer, and copies each half twice."""

    @staticmethod
    def forward(ctx: Any, x_TBHD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        ctx.cos_TE, ctx.sin_TE = cos_TE, sin_TE
        return _turn(x_TBHD, cos_TE, sin_TE)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_TBHD: Tensor) -> tuple[Tensor, None, None]:
        found_TBHD = torch.empty(grad_TBHD.shape, dtype=grad_TBHD.dtype, device=grad_TBHD.device)
        grad_BHTD, found_BHTD = (x.permute(1, 2, 0, 3) for x in (grad_TBHD, found_TBHD))
        _turned(grad_BHTD, ctx.cos_TE, -ctx.sin_TE, found_BHTD)
        return found_TBHD, None, None


def _turn(x_TBHD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
    x_BHTD = x_TBHD.permute(1, 2, 0, 3)
    room = x_BHTD if x_TBHD.is_cpu else x_TBHD
    turned = torch.empty(room.shape, dtype=room.dtype, device=room.device)
    turned_BHTD = turned if x_TBHD.is_cpu else turned.permute(1, 2, 0, 3)
    return _turned(x_BHTD, cos_TE, sin_TE, turned_BHTD).permute(2, 0, 1, 3)


def _turned(x_BHTD: Tensor, cos_TE: Tensor, sin_TE: Tensor, out_BHTD: Tensor) -> Tensor:
    torch.mul(x_BHTD, torch.cat([cos_TE, cos_TE], dim=-1), out=out_BHTD)
    (first, second), (out_first, out_second) = (x.chunk(2, dim=-1) for x in (x_BHTD, out_BHTD))
    out_first.addcmul_(second, sin_TE, value=-1.0)
    out_second.addcmul_(first, sin_TE)
    return out_BHTD
