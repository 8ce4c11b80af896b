"""A rule: a limit on one measure, or on the ratio of two, for one page (a row) or millions (an array of rows).

Repetition and quality are lists of rules, chosen by the page's language and script.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.web.measures import MEASURES, Row

UNMEASURED = -1
"""Value of a measure that could not be taken; rules on it do not apply."""

Rows = npt.NDArray[Any]


class Rule(NamedTuple):
    """A page whose `amount`, divided by its `of`, is beyond `limit` is dropped with the reason `name`."""

    name: str
    amount: str
    of: str | None
    side: Literal["most", "least"]
    limit: float
    best: float = 0.0
    """The value from which no page is farther from the limit than another; strain is 0 there and 1 at the limit."""
    scale: Literal["linear", "log"] = "linear"

    def is_broken(self, counts: dict[str, Any]) -> bool:
        """Return whether one page is beyond the limit. A ratio to nothing is 0."""
        if counts[self.amount] == UNMEASURED:
            return False
        value = self._value(counts)
        return value > self.limit if self.side == "most" else value < self.limit

    def strain(self, counts: dict[str, Any]) -> float:
        """Return which part of the way from `best` to the limit the page has gone, 0 to 1 for a page that passes."""
        if counts[self.amount] == UNMEASURED:
            return 0.0
        value, limit, best = self._value(counts), self.limit, self.best
        if self.scale == "log":
            value, limit, best = (math.log(max(number, 1e-9)) for number in (value, limit, best))
        if limit == best:
            return math.inf if self.is_broken(counts) else 0.0
        return max(0.0, (value - best) / (limit - best))

    def breaks(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return for each row what `is_broken` says."""
        amount = rows[self.amount]
        value = amount / np.maximum(rows[self.of], 1) if self.of else amount
        beyond: npt.NDArray[np.bool_] = value > self.limit if self.side == "most" else value < self.limit
        return beyond & (amount != UNMEASURED)

    def _value(self, counts: dict[str, Any]) -> float:
        return counts[self.amount] / max(counts[self.of], 1) if self.of else float(counts[self.amount])


Choose = Callable[[str, bool], Sequence[Rule]]
"""From a language code, and whether most words are single characters, to the rules of that page, in order."""


def to_counts(row: Row) -> dict[str, Any]:
    """Return a row as Python numbers, by name; many times faster to read than the row itself."""
    return dict(zip(MEASURES.names or (), row.item(), strict=True))


def group(counts: dict[str, Any]) -> tuple[str, bool]:
    """Return what chooses the rules of a page: its language, and whether most of its words are single characters."""
    return counts["language"].decode(), 2 * counts["characters"] > counts["words"]


def first_broken(counts: dict[str, Any], choose: Choose) -> str | None:
    """Return the name of the first rule that a page breaks."""
    return next((rule.name for rule in choose(*group(counts)) if rule.is_broken(counts)), None)


def all_broken(rows: Rows, choose: Choose) -> npt.NDArray[np.str_]:
    """Return for each row the name of the first rule it breaks, or an empty string."""
    reasons = np.zeros(len(rows), dtype="U32")
    for key, places in groups(rows):
        rules = choose(*key)
        part = rows[places]
        first = np.zeros(len(part), dtype=np.intp)  # 1 + the place of the rule; numbers, for speed
        for number, rule in enumerate(rules, start=1):
            first[(first == 0) & rule.breaks(part)] = number
        reasons[places] = np.array(["", *(rule.name for rule in rules)])[first]
    return reasons


def groups(rows: Rows) -> Iterator[tuple[tuple[str, bool], npt.NDArray[np.intp]]]:
    """Yield the keys that `group` would return, each with the places of its rows."""
    unspaced = 2 * rows["characters"].astype(np.int64) > rows["words"]
    languages, codes = np.unique(rows["language"], return_inverse=True)
    keys = 2 * codes + unspaced
    for key in np.unique(keys):
        yield (languages[key // 2].decode(), bool(key % 2)), np.flatnonzero(keys == key)
