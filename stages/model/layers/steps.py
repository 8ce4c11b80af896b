"""A step over cached keys and values: new tokens of many sequences in one row, and the keys that each of them sees.

The new tokens lie behind each other without padding. Attention is computed a visit at a time, single tokens' together,
and the visits of a token are joined by their log-sum-exps (arXiv:2402.05099, section 3, has the formula): a prefix that
many sequences share is read once for all of them and never copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Any

import torch
from torch import Tensor

from stages.model.layers.rows import Rows, gather_rows
from stages.model.layers.visits import Seen, Visit

# Shape suffixes: N = new tokens, S = scored tokens, C = slots of the cache, H = heads of this rank, K = key/value heads
# of this rank, D = head width.


class Cache:
    """Keys and values of this rank's layers, with positions worked in. A slot holds one token's, in all layers."""

    def __init__(self, slots: int, positions: int, block: int | None = None) -> None:
        """Take no memory yet: a layer's comes with its keys. A position is below `positions`.

        With `block` single tokens are attended together, in blocks of so many slots: see stages.model.layers.rows.
        """
        self.slots = slots
        self.positions = positions
        self.block = block
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def layer(self, number: int, key_KND: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values [K, C, D] of a layer. A slot that was never written holds zeros."""
        if number not in self._layers:
            shape = (key_KND.size(0), self.slots, key_KND.size(2))
            self._layers[number] = (_zeros(shape, key_KND), _zeros(shape, key_KND))
        return self._layers[number]

    def copy(self, start: int, to: int, count: int) -> None:
        """Copy so many slots, in all layers. The two ranges do not overlap."""
        for keys_KCD, values_KCD in self._layers.values():
            for stored_KCD in (keys_KCD, values_KCD):
                stored_KCD[:, to : to + count] = stored_KCD[:, start : start + count]

    def num_bytes(self) -> int:
        """Return the memory that is taken."""
        return sum(stored.nbytes for layer in self._layers.values() for stored in layer)


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return zeros of the type of `like`, on its device. On a CPU a page takes memory once it is written."""
    if not like.is_cpu:
        return like.new_zeros(shape)
    pages = mmap(-1, math.prod(shape) * like.element_size(), flags=MAP_PRIVATE | MAP_ANONYMOUS)
    return torch.frombuffer(pages, dtype=like.dtype).view(shape)


@dataclass(frozen=True)
class _Attended:
    """What tokens see, by the way in which it is computed."""

    rows: Rows | None
    own: Sequence[Visit]
    shared: Sequence[Visit]

    def attend(self, query_NHD: Tensor, keys_KCD: Tensor, values_KCD: Tensor, scale: float) -> Tensor:
        """Return the mixed values, [N, H, D]."""
        if self.rows and not self.own and not self.shared:
            return self.rows.attend(query_NHD, keys_KCD, values_KCD, scale)[0]
        query_HND = query_NHD.transpose(0, 1)
        mixed_NHD = query_NHD.new_empty(query_NHD.shape)
        mixed_HND = mixed_NHD.transpose(0, 1)
        wide = torch.promote_types(query_NHD.dtype, torch.float32)
        lse_HN1 = query_NHD.new_empty((*query_HND.shape[:2], 1), dtype=wide)
        for visit in self.own:
            new = slice(visit.first, visit.last)
            mixed_HND[:, new], lse_HN1[:, new] = _visit(visit, query_HND, keys_KCD, values_KCD, scale)
        if self.rows:
            found_RHD, log_sums = self.rows.attend(query_NHD, keys_KCD, values_KCD, scale)
            mixed_NHD.index_copy_(0, self.rows.tokens, found_RHD)
            lse_HN1.index_copy_(1, self.rows.tokens, log_sums())
        for visit in self.shared:
            new = slice(visit.first, visit.last)
            _join(mixed_HND[:, new], lse_HN1[:, new], *_visit(visit, query_HND, keys_KCD, values_KCD, scale))
        return mixed_NHD


@dataclass(kw_only=True)
class Step:
    """New tokens through the model: what all layers know of them."""

    cache: Cache
    positions: Tensor
    """Of each new token in its own sequence, [N]."""
    slots: Tensor
    """Slot that each new token's key and value go to, [N]."""
    seen: Seen
    """By the new tokens."""
    scored: Tensor | None
    """New tokens for which the head is wanted, at least one, [S]; None: all."""
    seen_by_scored: Seen
    """By these alone, as tokens 0 to S - 1."""
    _angles: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)
    _ways: dict[bool, _Attended] = field(default_factory=dict, init=False, repr=False)

    def angles(self, cos_TE: Tensor, sin_TE: Tensor) -> tuple[Tensor, Tensor]:
        """Return RoPE's tables for each token, [N, E]. All layers of a model ask for the same."""
        if self._angles is None:
            self._angles = cos_TE[self.positions], sin_TE[self.positions]
        return self._angles

    def of_scored(self, tensor: Tensor) -> Tensor:
        """Return the part of scored tokens of a tensor whose first axis is the new tokens."""
        return tensor if self.scored is None else tensor.index_select(0, self.scored)

    def attend(
        self,
        number: int,
        query_NHD: Tensor,
        key_NKD: Tensor,
        value_NKD: Tensor,
        scale: float,
        *,
        is_last: bool,
    ) -> Tensor:
        """Return the mixed values [N, H, D]; in the model's last layer those of scored tokens alone, [S, H, D].

        Side effect: keys and values go to their slots of layer `number`.
        """
        key_KND, value_KND = key_NKD.transpose(0, 1), value_NKD.transpose(0, 1)
        keys_KCD, values_KCD = self.cache.layer(number, key_KND)
        keys_KCD.index_copy_(1, self.slots, key_KND)
        values_KCD.index_copy_(1, self.slots, value_KND)
        is_part = is_last and self.scored is not None
        asking_NHD = self.of_scored(query_NHD) if is_part else query_NHD
        return self._attended(asking_NHD, is_part=is_part).attend(asking_NHD, keys_KCD, values_KCD, scale)

    def _attended(self, like: Tensor, *, is_part: bool) -> _Attended:
        """Return the visits of scored tokens, or of all, in the order in which they are computed. All layers share
        them.
        """
        if is_part not in self._ways:
            seen = self.seen_by_scored if is_part else self.seen
            rows, own = gather_rows(seen.own, self.cache.block, self.cache.slots, like)
            self._ways[is_part] = _Attended(rows, own, seen.shared)
        return self._ways[is_part]


def _join(mixed: Tensor, lse: Tensor, more: Tensor, more_lse: Tensor) -> None:
    """Work `more` into `mixed`, both [H, n, D], by their log-sum-exps [H, n, 1]."""
    joined = torch.logaddexp(lse, more_lse)
    mixed.mul_((lse - joined).exp_()).addcmul_(more, (more_lse - joined).exp_().to(more.dtype))
    lse.copy_(joined)


def _visit(
    visit: Visit, query_HND: Tensor, keys_KCD: Tensor, values_KCD: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Return the mixed values of a visit's tokens, [H, n, D], and their log-sum-exps, [H, n, 1]."""
    slots = slice(visit.start, visit.stop)
    query_HnD, key_KmD, value_KmD = query_HND[:, visit.first : visit.last], keys_KCD[:, slots], values_KCD[:, slots]
    return _attend(query_HnD, key_KmD, value_KmD, scale, is_causal=visit.is_causal)


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
