"""The margin between a page and the rules: how near it is to being dropped. The keep rule `best` compares it."""

from __future__ import annotations

from functools import partial

from stages.text.rules.measures import Measured
from stages.text.rules.rule import group, rules, to_counts
from stages.text.settings import QualitySettings, RepetitionSettings


def used_margin(row: Measured, repetition: RepetitionSettings, quality: QualitySettings) -> float:
    """Return the used margin of the rule that a page is nearest to breaking: 0 best, 1 at a limit, more beyond it.

    A maximum share counts in proportion. A minimum share counts by the part that is missing of the whole. Between two
    limits, the page is best in their geometric mean.
    """
    counts = to_counts(row)
    choosers = (partial(rules, repetition), partial(rules, quality))
    return max((rule.used_margin(counts) for choose in choosers for rule in choose(*group(counts))), default=0.0)
