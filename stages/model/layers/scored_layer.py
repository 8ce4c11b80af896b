"""A transformer layer that, as the last one of a model, goes on with scored tokens alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.tensor_parallel import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer.mlp import MLP
from megatron.core.transformer.transformer_layer import TransformerLayer
from torch import Tensor

from stages.model.layers.attention import Documents
from stages.model.layers.packed import pack, product
from stages.model.layers.steps import Step

_PIECE = 256
"""Rows of a feed-forward block at a time, on a CPU."""

# Shape suffixes: N = new tokens, n = some of them, S = scored tokens, D = width of the residual stream, F = inner
# width, H = heads of this rank, K = key/value heads of this rank, G = heads a key/value head and two, E = head width.


class ScoredLayer(TransformerLayer):
    """Megatron's layer. In the model's last one, tokens that are not scored end with their keys and values."""

    def _forward_attention(
        self, hidden_states: Tensor, *args: Any, packed_seq_params: Any = None, **rest: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Return the hidden states behind attention: [T, B, D], of scored tokens [S, 1, D]."""
        documents = packed_seq_params if isinstance(packed_seq_params, Documents) else None
        is_whole = documents is not None and not documents.lengths
        found: tuple[Tensor, Tensor | None] = super()._forward_attention(
            hidden_states, *args, packed_seq_params=None if is_whole else packed_seq_params, **rest
        )
        is_last = self.layer_number == self.config.num_layers
        if is_last and documents is not None and documents.scored is not None:
            return found[0].flatten(0, 1).index_select(0, documents.scored)[:, None], found[1]
        return found

    def advance(self, hidden_ND: Tensor, step: Step) -> Tensor:
        """Return the hidden states of a step's tokens behind the layer, [N, D]; of the scored ones behind the model's
        last layer, [S, D].

        The same numbers as `forward`, without what Megatron's modules do in training: for few tokens that takes longer
        than the arithmetic. Learns nothing.
        """
        attention = self.self_attention
        mixed = attention.core_attention.advance(*self._query_key_value(self.input_layernorm(hidden_ND)), step)
        if self.layer_number == self.config.num_layers:
            hidden_ND = step.of_scored(hidden_ND)
        hidden_ND = _rows(attention.linear_proj, mixed).add_(hidden_ND)
        return self._fed_forward(self.pre_mlp_layernorm(hidden_ND)).add_(hidden_ND)

    def pack(self) -> None:
        """Lay out the matrices in blocks that `advance` multiplies with itself: see stages.model.layers.packed."""
        attention = self.self_attention
        matrices = [attention.linear_proj]
        if not self._shares_heads:
            matrices.append(attention.linear_qkv)
        if self._is_dense:
            matrices += [self.mlp.linear_fc1, self.mlp.linear_fc2]
        for linear in matrices:
            if type(linear) in (ColumnParallelLinear, RowParallelLinear):
                pack(linear)

    @property
    def _shares_heads(self) -> bool:
        """Whether ranks share a key/value head."""
        return bool(self.self_attention.config.num_query_groups < self.self_attention.world_size)

    @property
    def _is_dense(self) -> bool:
        """Whether the feed-forward block is neither experts nor one of Transformer Engine's."""
        return type(self.mlp) is MLP and isinstance(self.mlp.linear_fc1, ColumnParallelLinear)

    def _query_key_value(self, normed_ND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries [N, H, E], keys and values [N, K, E]."""
        attention = self.self_attention
        if self._shares_heads:
            query, key, value = attention.get_query_key_value_tensors(normed_ND[:, None], None)
            return query[:, 0], key[:, 0], value[:, 0]
        joint = _columns(attention.linear_qkv, normed_ND)
        groups, width = attention.num_query_groups_per_partition, attention.hidden_size_per_attention_head
        joint_NKGE = joint.view(joint.size(0), groups, -1, width)
        return joint_NKGE[:, :, :-2].flatten(1, 2), joint_NKGE[:, :, -2], joint_NKGE[:, :, -1]

    def _fed_forward(self, normed_ND: Tensor) -> Tensor:
        if self._is_dense:
            return _by_pieces(self._fed_forward_few, normed_ND)
        return _by_module(self.mlp, normed_ND)

    def _fed_forward_few(self, normed_nD: Tensor) -> Tensor:
        inner_nF = _columns(self.mlp.linear_fc1, normed_nD)
        return _rows(self.mlp.linear_fc2, self.mlp.activation_func(inner_nF))


def _by_pieces(function: Callable[[Tensor], Tensor], x_ND: Tensor) -> Tensor:
    """Return the function of the rows, on a CPU of some at a time: what lies between is large."""
    if not x_ND.is_cpu or x_ND.size(0) <= _PIECE:
        return function(x_ND)
    found_ND = torch.empty_like(x_ND)
    for few_nD, found_nD in zip(x_ND.split(_PIECE), found_ND.split(_PIECE), strict=True):
        found_nD.copy_(function(few_nD))
    return found_ND


def _columns(linear: Any, x: Tensor) -> Tensor:
    """Return the product with a matrix whose output is split over ranks, with its bias."""
    if type(linear) is ColumnParallelLinear:
        return product(x, linear.weight, linear.bias)
    return _by_module(linear, x)


def _rows(linear: Any, x: Tensor) -> Tensor:
    """Return the product with a matrix whose input is split over ranks, with its bias."""
    if type(linear) is not RowParallelLinear:
        return _by_module(linear, x)
    found = product(x, linear.weight)
    if linear.tp_group.size() > 1:
        dist.all_reduce(found, group=linear.tp_group)
    return found if linear.bias is None else found.add_(linear.bias)


def _by_module(module: Any, x: Tensor) -> Tensor:
    """Return a module's output for [N, D]; Megatron's take [N, 1, D], and most leave their bias to the caller."""
    output_N1X: Tensor
    output_N1X, bias = module(x[:, None])
    return output_N1X[:, 0] if bias is None else output_N1X[:, 0] + bias
