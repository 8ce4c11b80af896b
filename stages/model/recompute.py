"""Selective recomputation: what a block computes again in the backward pass because keeping it costs more.

Fused attention has no scores to forget, which is what arXiv:2205.05198, section 5, forgets. What is left and cheap lies
between the matrix products: the norms' outputs (Megatron forgets those itself) and the activation of the feed-forward
block. Each is kept only as the input of the product behind it, and one elementwise pass makes it again.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

from megatron.core import tensor_parallel
from megatron.core.extensions.transformer_engine import HAVE_TE
from megatron.core.models.gpt import GPTModel
from megatron.core.transformer.mlp import MLP
from torch import Tensor

from stages.model.layers.swiglu import SwiGLU


class Recomputed(tensor_parallel.CheckpointWithoutOutput):
    """A function whose output is freed once it was used, and made again when its gradient is asked for."""

    def __init__(self) -> None:
        super().__init__(fp8=None)  # Megatron 0.16.1 takes its default, False, for a yes and asks Transformer Engine


def enable_recompute(model: GPTModel) -> None:
    """Have the dense feed-forward blocks forget their activation; experts keep theirs.

    Side-effect: without Transformer Engine, Megatron's own way of forgetting works in this process.
    """
    for layer in model.decoder.layers:
        if type(layer.mlp) is MLP:
            layer.mlp.forward = MethodType(_recomputing_forward, layer.mlp)
    if not HAVE_TE:
        tensor_parallel.CheckpointWithoutOutput = Recomputed


def _recomputing_forward(mlp: MLP, hidden_states: Tensor, **_options: Any) -> tuple[Tensor, Tensor | None]:
    """Return what MLP.forward does: the output, [T, B, C], and the bias that is still to be added."""
    again = Recomputed()
    inner = again.checkpoint(lambda *parts: _activate(mlp, *parts), *mlp.linear_fc1(hidden_states))
    output, bias = mlp.linear_fc2(inner)
    again.discard_output_and_register_recompute(output)
    return output, bias


def _activate(mlp: MLP, inner: Tensor, bias: Tensor | None) -> Tensor:
    if bias is not None:
        inner = inner + bias
    if not mlp.config.gated_linear_unit or isinstance(mlp.activation_func, SwiGLU):
        activated: Tensor = mlp.activation_func(inner)
        return activated
    gate, up = inner.chunk(2, dim=-1)
    gated: Tensor = mlp.activation_func(gate) * up
    return gated
