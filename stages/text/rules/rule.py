"""A rule: a limit on one measure, or on the ratio of two, for one page (a row) or millions (an array of rows).

The page's language and script choose the rules; the table of them is table.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.text.bloom_limits import limits
from stages.text.compiled.arrays import Flags, Records
from stages.text.rules.measures import MEASURES, Measured
from stages.text.rules.table import PageGroup, RuleRow, RuleSettings, rows_of
from stages.text.settings import QualitySettings

UNMEASURED = -1
"""Value of a measure that could not be taken; rules on it do not apply."""


class Rule(NamedTuple):
    """A page whose `amount`, divided by its `of`, is beyond `limit` is dropped with the reason `name`."""

    name: str
    amount: str
    of: str | None
    side: Literal["most", "least"]
    limit: float
    best: float = 0.0
    """The value farthest from the limit: the margin is used up by 0 there and by 1 at the limit."""
    scale: Literal["linear", "log"] = "linear"

    def is_broken(self, counts: dict[str, Any]) -> bool:
        """Return whether one page is beyond the limit. A ratio to nothing is 0."""
        if counts[self.amount] == UNMEASURED:
            return False
        value = self._value(counts)
        return value > self.limit if self.side == "most" else value < self.limit

    def used_margin(self, counts: dict[str, Any]) -> float:
        """Return the share of the way from `best` to the limit that the page has gone: at most 1 if it passes."""
        if counts[self.amount] == UNMEASURED:
            return 0.0
        value, limit, best = self._value(counts), self.limit, self.best
        if self.scale == "log":
            value, limit, best = (math.log(max(number, 1e-9)) for number in (value, limit, best))
        if limit == best:
            return math.inf if self.is_broken(counts) else 0.0
        return max(0.0, (value - best) / (limit - best))

    def breaks(self, rows: Records) -> Flags:
        """Return `is_broken` for each row."""
        amount = rows[self.amount]
        value = amount / np.maximum(rows[self.of], 1) if self.of else amount
        beyond = value > self.limit if self.side == "most" else value < self.limit
        broken: Flags = beyond & (amount != UNMEASURED)
        return broken

    def _value(self, counts: dict[str, Any]) -> float:
        return counts[self.amount] / max(counts[self.of], 1) if self.of else float(counts[self.amount])


Choose = Callable[[str, bool], Sequence[Rule]]
"""From a language code, and whether most words are single characters, to the rules of that page, in order."""


def rules(settings: RuleSettings, language: str, is_unspaced: bool) -> tuple[Rule, ...]:
    """Return the rules of a page, in order."""
    page = PageGroup(language, limits(language, is_unspaced), is_unspaced)
    is_datatrove = isinstance(settings, QualitySettings) and settings.counting == "datatrove"
    found = []
    for row in rows_of(settings):
        limit = row.limit(settings, page)
        if limit is not None:
            opposite = row.opposite_limit(settings, page)
            found.append(_make(row, limit, opposite, row.measures(is_datatrove)))
    return tuple(found)


def _make(row: RuleRow, limit: float, opposite: float | None, measures: tuple[str, str | None]) -> Rule:
    if opposite is None:
        return Rule(row.reason, *measures, row.side, limit, row.best)
    return Rule(row.reason, *measures, row.side, limit, math.sqrt(limit * opposite), "log")


def to_counts(row: Measured) -> dict[str, Any]:
    """Return a row as Python numbers, by name; many times faster to read than the row itself."""
    return dict(zip(MEASURES.names or (), row.item(), strict=True))


def group(counts: dict[str, Any]) -> tuple[str, bool]:
    """Return the key of a page's rules: its language, and whether most of its words are single characters."""
    return counts["language"].decode(), 2 * counts["characters"] > counts["words"]


def first_broken(counts: dict[str, Any], choose: Choose) -> str | None:
    """Return the name of the first rule that a page breaks."""
    return next((rule.name for rule in choose(*group(counts)) if rule.is_broken(counts)), None)


def all_broken(rows: Records, choose: Choose) -> npt.NDArray[np.str_]:
    """Return for each row the name of the first rule that it breaks, or an empty string."""
    reasons = np.zeros(len(rows), dtype="U32")
    for key, places in groups(rows):
        chosen = choose(*key)
        part = rows[places]
        first = np.zeros(len(part), dtype=np.intp)  # 1 + the place of the rule; numbers, for speed
        for number, rule in enumerate(chosen, start=1):
            first[(first == 0) & rule.breaks(part)] = number
        reasons[places] = np.array(["", *(rule.name for rule in chosen)])[first]
    return reasons


def groups(rows: Records) -> Iterator[tuple[tuple[str, bool], npt.NDArray[np.intp]]]:
    """Yield the keys that `group` would return, each with the places of its rows."""
    unspaced = 2 * rows["characters"].astype(np.int64) > rows["words"]
    languages, codes = np.unique(rows["language"], return_inverse=True)
    keys = 2 * codes + unspaced
    for key in np.unique(keys):
        yield (languages[key // 2].decode(), bool(key % 2)), np.flatnonzero(keys == key)
