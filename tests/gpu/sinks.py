"""What may take a step's time, switched: each sink is a patch or a setting of this process.

Side effect of `apply`: functions of torch, Megatron and stages.model are replaced in the whole process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stages.model.layers import attention, norm, swiglu
from stages.train.engines import optimizer

# Shape suffixes: T = tokens, B = sequences, H = heads, D = head width, E = D / 2.


def _cudnn_attention() -> None:
    """Leave torch cuDNN's attention alone, and the plain one where that cannot be used."""
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(True)


def _compiled_chains() -> None:
    """Have torch.compile make one kernel each of the norm, of RoPE and of SwiGLU, forth and back."""
    normalise, turn, gate = (torch.compile(chain, dynamic=False) for chain in (_rms_norm, _rope, _swiglu))

    def normed(self: Any, x: Tensor) -> Tensor:
        return normalise(x, self.weight, self.eps)

    def gated(self: Any, x: Tensor) -> Tensor:
        return gate(x)

    _set(norm.RMSNorm, "forward", normed)
    _set(swiglu.SwiGLU, "forward", gated)
    _set(attention, "apply_rope", turn)


def _megatron_clipping() -> None:
    """Leave the gradient's norm and its clipping to Megatron: a wait for the GPU for each weight."""
    _set(optimizer, "fuse_clipping", lambda: None)


def _rms_norm(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    wide = x.float()
    normed: Tensor = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (normed * gain.float()).to(x.dtype)


def _rope(x_TBHD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
    first, second = x_TBHD.chunk(2, dim=-1)
    cos, sin = cos_TE[:, None, None], sin_TE[:, None, None]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def _swiglu(x: Tensor) -> Tensor:
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


def _set(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


PATCHES: dict[str, Callable[[], None]] = {
    "cuDNN attention": _cudnn_attention,
    "compiled norm, RoPE, SwiGLU": _compiled_chains,
    "Megatron's norm of the gradient": _megatron_clipping,
}


def apply(names: Sequence[str]) -> None:
    """Apply patches by name."""
    for name in names:
        PATCHES[name]()
