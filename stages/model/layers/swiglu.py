"""SwiGLU, the feed-forward block's gated activation, for Megatron's layer spec where Transformer Engine is absent."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from stages.model.layers.chunks import few_rows

# Shape suffixes: N = tokens, F = inner width.


class SwiGLU(nn.Module):
    """silu(gate) x up (arXiv:2002.05202, section 2), of a tensor that holds the gate before the up projection."""

    def __init__(self, config: TransformerConfig) -> None:
        """Take what Megatron gives; there is nothing to set."""
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., F] for x, [..., 2 F].

        The backward pass writes the gradient over x: no other operation may read x afterwards. Here x is the output of
        a matrix product, which no other operation keeps.
        """
        if not torch.is_grad_enabled():
            return _activated(x)
        activated: Tensor = _SwiGLU.apply(x)  # type: ignore[no-untyped-call]  # torch types no Function
        return activated

    def sharded_state_dict(self, *_args: Any, **_kwargs: Any) -> dict[str, Tensor]:
        """Return nothing: there are no weights."""
        return {}


class _SwiGLU(torch.autograd.Function):
    """Keeps its input alone: silu(gate) is made again, a few rows at a time."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _activated(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x: Tensor = ctx.saved_tensors[0]
        x_N2F, grad_NF = x.view(-1, x.size(-1)), grad.reshape(-1, grad.size(-1))
        for few in few_rows(x_N2F):
            gate, up = x_N2F[few].chunk(2, dim=-1)
            for_up = F.silu(gate).mul_(grad_NF[few])
            torch.ops.aten.silu_backward(up.mul_(grad_NF[few]), gate, grad_input=gate)
            up.copy_(for_up)
        return x


def _activated(x: Tensor) -> Tensor:
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate).mul_(up)
