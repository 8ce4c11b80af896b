"""A step over cached keys and values: new tokens of many sequences in one row, and the keys that each of them sees.

The new tokens lie behind each other without padding. Attention is computed a visit at a time, and the visits of a token
are joined by their log-sum-exps (arXiv:2402.05099, section 3, has the formula): a prefix that many sequences share is
read once for all of them and never copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from megatron.core.packed_seq_params import PackedSeqParams
from torch import Tensor

# Shape suffixes: N = new tokens, S = scored tokens, C = slots of the cache, H = heads of this rank, K = key/value heads
# of this rank, D = head width.


@dataclass(frozen=True, slots=True)
class Visit:
    """New tokens that see the same slots of the cache: all of them, or, where there are as many slots as tokens and
    `is_causal`, each those up to its own.
    """

    first: int
    """Of the new tokens."""
    last: int
    """One behind the last new token."""
    start: int
    """First slot."""
    stop: int
    """One behind the last slot."""
    is_causal: bool = False


@dataclass(frozen=True)
class Seen:
    """What tokens of a step see."""

    own: tuple[Visit, ...]
    """Each token's visit to its own slot and others; in the order of the tokens, each token once."""
    shared: tuple[Visit, ...] = ()
    """What else they see."""


class Cache:
    """Keys and values of this rank's layers, with positions worked in. A slot holds one token's, in all layers."""

    def __init__(self, slots: int, positions: int) -> None:
        """Take no memory yet: a layer's comes with its first keys. A position is below `positions`."""
        self.slots = slots
        self.positions = positions
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def layer(self, number: int, key_KND: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values [K, C, D] of a layer. A slot that was never written holds anything."""
        if number not in self._layers:
            shape = (key_KND.size(0), self.slots, key_KND.size(2))
            self._layers[number] = (key_KND.new_empty(shape), key_KND.new_empty(shape))
        return self._layers[number]

    def copy(self, start: int, to: int, count: int) -> None:
        """Copy so many slots, in all layers. The two ranges do not overlap."""
        for keys_KCD, values_KCD in self._layers.values():
            for stored_KCD in (keys_KCD, values_KCD):
                stored_KCD[:, to : to + count] = stored_KCD[:, start : start + count]

    def num_bytes(self) -> int:
        """Return the memory that is taken."""
        return sum(stored.nbytes for layer in self._layers.values() for stored in layer)


@dataclass(kw_only=True)
class Step(PackedSeqParams):
    """New tokens [1, N] through the model. Megatron hands this object through all layers."""

    cache: Cache
    positions: Tensor
    """Of each new token in its own sequence, [N]."""
    slots: Tensor
    """Slot that each new token's key and value go to, [N]."""
    seen: Seen
    """By the new tokens."""
    scored: Tensor
    """New tokens for which the head is wanted, at least one, [S]."""
    seen_by_scored: Seen
    """By these alone, as tokens 0 to S - 1."""

    def attend(
        self,
        number: int,
        query_HND: Tensor,
        key_KND: Tensor,
        value_KND: Tensor,
        scale: float,
        *,
        is_last: bool,
    ) -> Tensor:
        """Return the mixed values [H, N, D]; in the model's last layer those of scored tokens alone, [H, S, D].

        Side effect: keys and values go to their slots of layer `number`.
        """
        keys_KCD, values_KCD = self.cache.layer(number, key_KND)
        keys_KCD.index_copy_(1, self.slots, key_KND)
        values_KCD.index_copy_(1, self.slots, value_KND)
        seen, asking_HND = (self.seen_by_scored, query_HND[:, self.scored]) if is_last else (self.seen, query_HND)

        def attend(visit: Visit) -> tuple[Tensor, Tensor]:
            query_HnD, slots = asking_HND[:, visit.first : visit.last], slice(visit.start, visit.stop)
            return _attend(query_HnD, keys_KCD[:, slots], values_KCD[:, slots], scale, is_causal=visit.is_causal)

        parts = [attend(visit) for visit in seen.own]
        mixed_HND = torch.cat([part for part, _ in parts], dim=1)
        if seen.shared:
            lse_HN1 = torch.cat([lse for _, lse in parts], dim=1)
            for visit in seen.shared:
                new = slice(visit.first, visit.last)
                _join(mixed_HND[:, new], lse_HN1[:, new], *attend(visit))
        return mixed_HND


def _join(mixed: Tensor, lse: Tensor, more: Tensor, more_lse: Tensor) -> None:
    """Work `more` into `mixed`, both [H, n, D], by their log-sum-exps [H, n, 1]."""
    joined = torch.logaddexp(lse, more_lse)
    mixed.mul_((lse - joined).exp_()).addcmul_(more, (more_lse - joined).exp_().to(more.dtype))
    lse.copy_(joined)


def _attend(
    query_HnD: Tensor, key_KmD: Tensor, value_KmD: Tensor, scale: float, *, is_causal: bool
) -> tuple[Tensor, Tensor]:
    """Return the mixed values [H, n, D] and their log-sum-exps [H, n, 1]."""
    ops: Any = torch.ops.aten
    query, key, value = query_HnD[None], key_KmD[None], value_KmD[None]
    if query.is_cpu:  # the kernel takes fewer key/value heads than heads
        mixed, lse = ops._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, is_causal, scale=scale)
        return mixed[0], lse[0, ..., None]
    if query.size(1) != key.size(1):
        key, value = (x.repeat_interleave(query.size(1) // x.size(1), dim=1) for x in (key, value))
    if query.dtype is torch.float32:  # the flash kernel knows 16 bits alone
        attend = ops._scaled_dot_product_efficient_attention
        mixed, lse, *_ = attend(query, key, value, None, True, 0.0, is_causal, scale=scale)
    else:
        mixed, lse, *_ = ops._scaled_dot_product_flash_attention(query, key, value, 0.0, is_causal, scale=scale)
    return mixed[0], lse[0, :, : query.size(2), None]  # the efficient kernel pads its sums to a multiple of 32
