"""Attention of single tokens, each over slots of its own: all of them together, in blocks of slots.

A call a token costs more than its arithmetic. Blocks of slots lie at equal distances in the cache: the blocks of all
tokens, and the few between them, are one batch of matrix products, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from stages.model.layers.visits import Visit

# Shape suffixes: N = new tokens, R = rows, tokens with slots of their own; J = blocks of the batch, L = blocks of the
# row with most of them, C = slots of the cache, B = slots of a block, X = L x B, H = heads of this rank, K = key/value
# heads of this rank, G = heads a key/value head, D = head width.

_GAP = 1 << 14
"""Numbers of a head's keys between two rows that are read in the time of one more call (one thread of an EPYC)."""


@dataclass
class Rows:
    """Single tokens and the blocks of their slots. No block holds slots of two tokens."""

    runs: tuple[tuple[int, int], ...]
    """Blocks of the cache that are the batch, one run behind the other: (first, one behind the last)."""
    tokens: Tensor
    """[R], ascending."""
    asking: Tensor
    """The token that sees a block, [J]; of a block between two tokens' any."""
    hidden: Tensor
    """-inf where a slot is not seen, else 0, [J, 1, B]."""
    blocks: Tensor
    """Of each row, [R x L]; filled with J, which is one behind the last."""
    places: Tensor
    """Of each block in `blocks`, [J]."""
    owners: Tensor
    """1 where a block is a row's, else 0, [R, J]."""

    def attend(
        self, query_NHD: Tensor, keys_KCD: Tensor, values_KCD: Tensor, scale: float
    ) -> tuple[Tensor, Callable[[], Tensor]]:
        """Return the mixed values of the rows, [R, H, D], and what returns their log-sum-exps, [H, R, 1]."""
        groups, width = keys_KCD.size(0), query_NHD.size(2)
        count, block, rows = self.hidden.size(0), self.hidden.size(2), self.tokens.size(0)
        asked_JKGD = query_NHD.index_select(0, self.asking).view(count, groups, -1, width)
        scores_KJGB = self._scores(asked_JKGD, keys_KCD, scale)
        of_rows = scores_KJGB.index_select(1, self.blocks).unflatten(1, (rows, -1)).transpose(2, 3).flatten(3)
        shares_KRGX = of_rows.softmax(-1)
        by_block = shares_KRGX.unflatten(3, (-1, block)).transpose(2, 3).flatten(1, 2)
        shares_KJGB = by_block.index_select(1, self.places)
        mixed_KJGD = torch.empty_like(asked_JKGD.transpose(0, 1), memory_format=torch.contiguous_format)
        for here, of in self._places():
            parts = (shares_KJGB[:, here], _blocks(values_KCD, of, block), mixed_KJGD[:, here])
            for shares_jGB, value_jBD, mixed_jGD in zip(*(part.unbind(0) for part in parts), strict=True):
                torch.bmm(shares_jGB, value_jBD, out=mixed_jGD)
        mixed_KRX: Tensor = self.owners @ mixed_KJGD.flatten(2)
        return mixed_KRX.transpose(0, 1).reshape(rows, -1, width), partial(_log_sums, of_rows, shares_KRGX)

    def _scores(self, asked_JKGD: Tensor, keys_KCD: Tensor, scale: float) -> Tensor:
        """Return the scores of each block, and of one more in which all are -inf, [K, J + 1, G, B]."""
        (count, groups, heads, _), block = asked_JKGD.shape, self.hidden.size(2)
        scores_KJGB = asked_JKGD.new_empty(groups, count + 1, heads, block)
        scores_KJGB[:, count] = -torch.inf
        for here, of in self._places():
            parts = (asked_JKGD[here].transpose(0, 1), _blocks(keys_KCD, of, block), scores_KJGB[:, here])
            for asked_jGD, key_jBD, scores_jGB in zip(*(part.unbind(0) for part in parts), strict=True):
                torch.baddbmm(self.hidden[here], asked_jGD, key_jBD.transpose(1, 2), alpha=scale, out=scores_jGB)
        return scores_KJGB

    def _places(self) -> Iterator[tuple[slice, slice]]:
        """Yield where the blocks of each run are in the batch, and in the cache."""
        done = 0
        for first, last in self.runs:
            yield slice(done, done + last - first), slice(first, last)
            done += last - first


def _blocks(stored_KCD: Tensor, of: slice, block: int) -> Tensor:
    """Return some blocks of the cache, [K, j, B, D]."""
    slots_KcD = stored_KCD[:, of.start * block : of.stop * block]
    return slots_KcD.view(slots_KcD.size(0), -1, block, slots_KcD.size(2))


def _log_sums(scores_KRGX: Tensor, shares_KRGX: Tensor) -> Tensor:
    """Return the log-sum-exps of scores, [H, R, 1], given their softmax: the largest has a share of e^(it - sum)."""
    sums_KRG = scores_KRGX.amax(-1) - shares_KRGX.amax(-1).log()
    return sums_KRG.transpose(1, 2).flatten(0, 1)[..., None]


def gather_rows(
    visits: Sequence[Visit], block: int | None, slots: int, like: Tensor
) -> tuple[Rows | None, Sequence[Visit]]:
    """Return single tokens' visits as rows, and those of `visits` that are none: of many tokens, or of slots in a block
    of another row's. The cache has so many slots; without `block` no visit is a row's.

    `like` is their queries, [N, H, D].
    """
    if block is None:
        return None, visits
    rows: list[Visit] = []
    rest: list[Visit] = []
    free = 0
    for visit in sorted(visits, key=lambda visit: visit.start):
        stop = -(-visit.stop // block)
        if visit.last - visit.first > 1 or visit.start // block < free or stop * block > slots:
            rest.append(visit)
        else:
            rows.append(visit)
            free = stop
    return (_batch(rows, block, _GAP // (like.size(-1) * block), like), rest) if rows else (None, visits)


def _batch(rows: Sequence[Visit], block: int, gap: int, like: Tensor) -> Rows:
    """Return rows, in the order of their slots, as a batch of blocks; runs are more than `gap` blocks apart."""
    tokens = sorted(visit.first for visit in rows)
    numbers = {token: number for number, token in enumerate(tokens)}
    runs: list[tuple[int, int]] = []
    seen: list[tuple[int, int, int]] = []  # of each block: its row, and the slots seen of those from its first on
    blocks: list[list[int]] = [[]] * len(rows)
    for visit in rows:
        first, last = visit.start // block, -(-visit.stop // block)
        if runs and first - runs[-1][1] <= gap:
            seen += [(-1, 0, 0)] * (first - runs[-1][1])
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
        blocks[numbers[visit.first]] = [*range(len(seen), len(seen) + last - first)]
        row = numbers[visit.first]
        seen += [(row, visit.start - at * block, visit.stop - at * block) for at in range(first, last)]
    most = max(map(len, blocks))
    filled = [at for each in blocks for at in (*each, *[len(seen)] * (most - len(each)))]
    return _rows(runs, seen, filled, tokens, block, like)


def _rows(
    runs: Sequence[tuple[int, int]],
    seen: Sequence[tuple[int, int, int]],
    filled: Sequence[int],
    tokens: Sequence[int],
    block: int,
    like: Tensor,
) -> Rows:
    """Return the rows' tensors on the device of `like`, in its type."""
    place = like.device
    row_J, from_J, to_J = torch.tensor(seen, device=place).unbind(1)
    blocks, tokens_R = torch.tensor(filled, device=place), torch.tensor(tokens, device=place)
    places_J = torch.zeros(len(seen) + 1, dtype=torch.int64, device=place)
    places_J[blocks] = torch.arange(len(filled), device=place)
    slot_B = torch.arange(block, device=place)
    is_hidden_JB = (slot_B < from_J[:, None]) | (slot_B >= to_J[:, None])
    return Rows(
        runs=tuple(runs),
        tokens=tokens_R,
        asking=tokens_R[row_J.clamp(min=0)],
        hidden=like.new_zeros(is_hidden_JB.shape).masked_fill_(is_hidden_JB, -torch.inf)[:, None],
        blocks=blocks,
        places=places_J[:-1],
        owners=(torch.arange(len(tokens), device=place)[:, None] == row_J).to(like.dtype),
    )
