"""Rates and draws of a mixture: pure functions of counts, weights and the seed.

The rate of a task is min(cap, examples); its share is its rate over the sum of rates, times the shares of its style and
its mixture (google-research/FLAN, flan/v2/mixtures.py). A mixture or style without examples leaves its share to others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from stages.instruct.config import MixtureSettings, Style


@dataclass(frozen=True)
class Cell:
    """The examples of a task in one style."""

    mixture: str
    task: str
    style: Style
    examples: int


def rate(cell: Cell, mixtures: Mapping[str, MixtureSettings]) -> int:
    """Return the rate of a cell: its examples, up to the cap."""
    return min(cell.examples, mixtures[cell.mixture].cap or cell.examples)


def shares(cells: Sequence[Cell], mixtures: Mapping[str, MixtureSettings]) -> list[float]:
    """Return the share of each cell in all draws; they add up to 1, or are all 0."""
    rates = [float(rate(cell, mixtures)) for cell in cells]
    by_style = _normal(cells, rates, lambda cell: (cell.mixture, cell.style))
    weighted = [share * mixtures[cell.mixture].weight(cell.style) for cell, share in zip(cells, by_style, strict=True)]
    by_mixture = _normal(cells, weighted, lambda cell: cell.mixture)
    of_mixtures = [share * mixtures[cell.mixture].share for cell, share in zip(cells, by_mixture, strict=True)]
    return _normal(cells, of_mixtures, lambda cell: "")


def _normal(cells: Sequence[Cell], values: Sequence[float], group: Callable[[Cell], object]) -> list[float]:
    """Return values over the sum of their group."""
    sums: dict[object, float] = {}
    for cell, value in zip(cells, values, strict=True):
        sums[group(cell)] = sums.get(group(cell), 0.0) + value
    return [value / (sums[group(cell)] or 1.0) for cell, value in zip(cells, values, strict=True)]


def draws(shares: Sequence[float], count: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield for each draw the number of its cell, and how many draws of that cell came before it."""
    bounds = list(accumulate(shares))
    last = max(place for place, share in enumerate(shares) if share)
    before = [0] * len(shares)
    random = Random(f"{seed}/draws").random
    for _ in range(count):
        cell = min(bisect_right(bounds, random() * bounds[-1]), last)
        yield cell, before[cell]
        before[cell] += 1


def picks(cell: Cell, ordinals: Sequence[int], seed: int) -> list[int]:
    """Return the examples that the draws of a cell take: each one once, then each one again in another order."""
    orders: dict[int, list[int]] = {}
    taken = []
    for ordinal in ordinals:
        epoch, place = divmod(ordinal, cell.examples)
        if epoch not in orders:
            orders = {epoch: _order(cell, epoch, seed)}
        taken.append(orders[epoch][place])
    return taken


def _order(cell: Cell, epoch: int, seed: int) -> list[int]:
    order = list(range(cell.examples))
    Random(f"{seed}/{cell.task}/{cell.style}/{epoch}").shuffle(order)
    return order
