"""Attention for Megatron's layer spec: torch's fused kernel in place of Megatron's unfused one."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core import parallel_state
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor

from stages.model.layers.documents import join, split
from stages.model.layers.rotary import apply_rope, rope_tables
from stages.model.layers.steps import Step

# Shape suffixes: T = tokens, B = sequences, N = B x T, S = documents, H = heads of this rank, K = key/value heads of
# this rank, D = head width.

_COLUMNS = 8
"""Columns that ALiBi adds to a head. Two would do: CUDA's flash kernel wants widths in eights."""
_EXACT = 256
"""Integers up to here are exact in bfloat16."""


@dataclass
class Documents(PackedSeqParams):
    """The documents of a microbatch (a token sees its own alone), and the tokens whose outputs are wanted.

    Megatron hands its own class through all layers, also recomputed ones. This one is not of its packed (thd) format:
    sequences stay [T, B].
    """

    lengths: tuple[int, ...] = ()
    """Tokens of each document, as far as it lies in its sequence, sequence after sequence. Empty: each sequence is one
    document, and attention is as without Documents."""
    positions: Tensor | None = None
    """Position of each token in its document, [B, T], for RoPE; None: positions run on, since RoPE knows distances
    alone. In 16 bits angles of small positions are more exact."""
    scored: Tensor | None = None
    """Tokens for which the head is wanted, each as t x B + b, at least one, [S]; None: all. The last layer's
    feed-forward block and the head run on these alone."""
    _angles: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    def angles(self, cos_TE: Tensor, sin_TE: Tensor) -> tuple[Tensor, Tensor]:
        """Return RoPE's tables for each token: as they are, or [B, 1, T, E]. All layers of a model ask for the same."""
        if self.positions is None:
            return cos_TE, sin_TE
        if self._angles is None:
            self._angles = cos_TE[self.positions][:, None], sin_TE[self.positions][:, None]
        return self._angles


def documents_apart(
    lengths_S: Tensor, tokens: int, device: torch.device, positions_BT: Tensor | None = None
) -> Documents:
    """Return the documents of sequences of `tokens` tokens each, given the lengths, an int tensor on the host."""
    starts_S = F.pad(lengths_S.cumsum(0), (1, 0)).to(device, torch.int32)
    return Documents(
        lengths=tuple(lengths_S.tolist()),
        positions=positions_BT,
        cu_seqlens_q=starts_S,
        max_seqlen_q=tokens,
        max_seqlen_kv=tokens,
    )


def whole_sequences(tokens: int, scored_S: Tensor) -> Documents:
    """Return sequences of `tokens` tokens each; some tokens are scored."""
    return Documents(scored=scored_S, max_seqlen_q=tokens, max_seqlen_kv=tokens)


@cache
def _varlen() -> Any:
    """Return torch's kernel for documents."""
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415  for CUDA alone; brings the compiler, 26 MB

    return varlen_attn


@cache
def _varlen_takes_groups() -> bool:
    """Return whether that kernel takes fewer key/value heads than heads: from torch 2.12 on."""
    return "enable_gqa" in inspect.signature(_varlen()).parameters


class CausalAttention(MegatronModule):
    """Softmax(q k^T / sqrt(D)) v over earlier tokens, without ever holding a T x T tensor (arXiv:2205.14135).

    With Documents, over earlier tokens of the same document: only the squares of their lengths are computed. Megatron's
    own DotProductAttention writes the scores out, and TE's fused one needs a GPU; torch picks its flash kernel on CPUs
    and GPUs alike. Has no weights.
    """

    is_masked = False
    """Whether the mask decides what a token sees, in place of causality."""

    def __init__(self, config: TransformerConfig, layer_number: int = 1, **_spec: Any) -> None:
        super().__init__(config=config)
        self.layer_number = layer_number
        self.scale = 1.0 / math.sqrt(config.kv_channels)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        packed_seq_params: Documents | None = None,
        **_options: Any,
    ) -> Tensor:
        """Return the mixed values, [T, B, H*D], for query [T, B, H, D] and key, value [T, B, K, D]."""
        heads, width = query.shape[2:]
        query, key, value = self.prepare(query, key, value, packed_seq_params)
        is_apart = packed_seq_params is not None and not self.is_masked
        if heads != key.size(2) and query.is_cuda and not self._takes_groups(query, is_apart=is_apart):
            key, value = (x.repeat_interleave(heads // x.size(2), dim=2) for x in (key, value))
        if packed_seq_params is not None and is_apart:
            mixed = self._mix_apart(query, key, value, packed_seq_params)
        else:
            mixed = self._mix(query, key, value, hidden=mask if self.is_masked else None)
        if value.size(-1) == width:
            return mixed
        mixed_TBHD: Tensor = mixed.unflatten(-1, (heads, -1))
        return mixed_TBHD[..., :width].flatten(2)

    def prepare(
        self, query: Tensor, key: Tensor, value: Tensor, packed: Documents | Step | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value with the positions worked in: those of the step or of the documents, or 0 to
        T - 1. Columns that are added to a head are cut off from the mixed values.
        """
        return query, key, value

    def advance(self, query_NHD: Tensor, key_NKD: Tensor, value_NKD: Tensor, step: Step) -> Tensor:
        """Return the mixed values of a step's tokens, [N, H x D]; in the model's last layer of those that are scored.

        Side effect: keys and values go to the step's cache.
        """
        width = query_NHD.size(2)
        prepared = self.prepare(query_NHD[:, None], key_NKD[:, None], value_NKD[:, None], step)
        is_last = self.layer_number == self.config.num_layers
        query_NHD, key_NKD, value_NKD = (x[:, 0] for x in prepared)
        mixed_NHD = step.attend(self.layer_number, query_NHD, key_NKD, value_NKD, self.scale, is_last=is_last)
        return mixed_NHD[..., :width].flatten(1)

    def _takes_groups(self, query: Tensor, *, is_apart: bool) -> bool:
        """Return whether a fused CUDA kernel takes fewer key/value heads than heads: the flash kernel, which knows 16
        bits and no mask. Any other call would fall back to one that writes the T x T scores out.
        """
        is_flash = query.dtype is not torch.float32 and not self.is_masked
        return is_flash and (not is_apart or _varlen_takes_groups())

    def _mix_apart(self, query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
        is_grouped = query.size(2) != key.size(2)
        if query.is_cuda and query.dtype is not torch.float32:  # torch's kernel for this knows 16 bits alone
            flat = [x.transpose(0, 1).flatten(0, 1) for x in (query, key, value)]
            starts, longest = documents.cu_seqlens_q, documents.max_seqlen_q
            grouped = {"enable_gqa": True} if is_grouped else {}
            mixed_NHD = _varlen()(
                *flat, starts, starts, longest, longest, scale=self.scale, window_size=(-1, 0), **grouped
            )
            mixed_BTHD: Tensor = mixed_NHD.unflatten(0, query.shape[1::-1])
            return mixed_BTHD.transpose(0, 1).flatten(2)
        # A call a document: on a CPU 170 us at the least, forth and back.
        each = zip(*(split(x, documents.lengths) for x in (query, key, value)), strict=True)
        parts = [
            F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=self.scale, enable_gqa=is_grouped)
            for query, key, value in each
        ]
        return join(parts, query.size(0)).flatten(2)

    def _mix(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
        query_BHTD, key_BKTD, value_BKTD = (x.permute(1, 2, 0, 3) for x in (query, key, value))
        mixed_BHTD = F.scaled_dot_product_attention(
            *(query_BHTD, key_BKTD, value_BKTD),
            attn_mask=None if hidden is None else ~hidden,
            is_causal=hidden is None,
            scale=self.scale,
            enable_gqa=query.size(2) != key.size(2),
        )
        return mixed_BHTD.permute(2, 0, 1, 3).reshape(query.size(0), query.size(1), -1)

    def sharded_state_dict(self, *_args: Any, **_kwargs: Any) -> dict[str, torch.Tensor]:
        """Return nothing: attention has no weights of its own."""
        return {}


class RotaryAttention(CausalAttention):
    """Causal attention with RoPE (arXiv:2104.09864). Megatron's layers then rotate nothing."""

    def __init__(self, config: TransformerConfig, theta: int, **spec: Any) -> None:
        super().__init__(config=config, **spec)
        self.theta = theta

    def prepare(
        self, query: Tensor, key: Tensor, value: Tensor, packed: Documents | Step | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return query and key rotated by angles that grow with the position."""
        positions = packed.cache.positions if isinstance(packed, Step) else query.size(0)
        tables = rope_tables(positions, query.size(3), self.theta, query.dtype, query.device)
        if isinstance(packed, Step):
            tables = packed.angles(*tables)
            return apply_rope(query, *tables), apply_rope(key, *tables), value
        if packed:
            tables = packed.angles(*tables)
        # The copy of the value keeps the product of all three from being held for the backward pass.
        return apply_rope(query, *tables), apply_rope(key, *tables), _copied(value)


class AlibiAttention(CausalAttention):
    """Causal attention with a penalty on distance, slope x (i - j), a slope a head (arXiv:2108.12409, section 3).

    A softmax does not see a number that is added to a whole row, so slope x j is the same bias; and that is a product
    of a number of the query's head and a number of the key. As columns of query and key it goes through the flash
    kernel: no T x T bias exists. Positions are split in two columns that bfloat16 holds exactly up to T = 131,072;
    slopes are rounded to the weights' type. In float32 the bias is exact to 6e-8 of slope x T / 2, that is 3e-5 nats at
    T = 2,048.
    """

    slopes: Tensor
    """Of this rank's heads, [H]."""

    def __init__(self, config: TransformerConfig, **spec: Any) -> None:
        super().__init__(config=config, **spec)
        slopes = alibi_slopes(config.num_attention_heads)
        here = len(slopes) // config.tensor_model_parallel_size
        start = here * parallel_state.get_tensor_model_parallel_rank()
        # In float64 it rounds once, when the model becomes its type. Its place in the model makes it the device's.
        exact = torch.tensor(slopes[start : start + here], dtype=torch.float64)
        self.register_buffer("slopes", exact, persistent=False)

    def prepare(
        self, query: Tensor, key: Tensor, value: Tensor, packed: Documents | Step | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return query and key with columns whose product is the bias, and the value padded to their width."""
        step: Any = packed if isinstance(packed, Step) else None
        slopes_H = self.slopes.to(query) / self.scale
        numbers_T: Tensor = step.positions if step else torch.arange(key.size(0), device=key.device)
        positions_T = numbers_T - (step.cache.positions if step else key.size(0)) // 2  # small numbers round less
        low_T = positions_T % _EXACT
        columns_T2 = torch.stack([positions_T - low_T, low_T], dim=-1).to(key.dtype)
        query = torch.cat([query, _columns(slopes_H[:, None].expand(-1, 2), query)], dim=-1)
        key = torch.cat([key, _columns(columns_T2[:, None, None], key)], dim=-1)
        return query, key, F.pad(value, (0, _COLUMNS))


class MaskedAttention(CausalAttention):
    """Attention under a mask, as GLM's part A needs, which sees all of itself. Without a mask it is causal.

    The mask is bool [B, 1, T, T], True where a key is hidden. It is the one T x T tensor: 1 byte a pair and sequence,
    and torch's CPU kernel makes it 4; all heads and layers share it, the scores never exist. Ignores Documents.
    """

    is_masked = True


def alibi_slopes(num_heads: int) -> list[float]:
    """Return a slope a head (arXiv:2108.12409, section 3, and the authors' `get_slopes` for other counts).

    For 2^k heads a geometric series from 2^(-8 / num_heads) with that ratio; for others that of the next lower power of
    two, then every second one of the next higher, the first of them first.
    """
    lower = 1 << (num_heads.bit_length() - 1)
    slopes = [2.0 ** (-8.0 * (head + 1) / lower) for head in range(lower)]
    between = [2.0 ** (-4.0 * (head + 1) / lower) for head in range(0, 2 * lower, 2)]
    return slopes + between[: num_heads - lower]


def _copied(x_TBHD: Tensor) -> Tensor:
    """Return x in memory of its own, as `apply_rope` lays it out."""
    if x_TBHD.is_cpu:
        return x_TBHD.permute(1, 2, 0, 3).contiguous().permute(2, 0, 1, 3)
    return x_TBHD.contiguous()


def _columns(columns: Tensor, like: Tensor) -> Tensor:
    """Return columns [..., 2], padded with zeros and repeated to the first three axes of `like`."""
    return F.pad(columns, (0, _COLUMNS - 2)).expand(*like.shape[:-1], _COLUMNS)
