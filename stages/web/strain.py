"""How near a page is to being dropped: what the keep rule `best` compares."""

from __future__ import annotations

from functools import partial

from stages.web import quality, repetition
from stages.web.measures import Row
from stages.web.rules import group, to_counts
from stages.web.settings import QualitySettings, RepetitionSettings


def strain(row: Row, repetition_settings: RepetitionSettings, quality_settings: QualitySettings) -> float:
    """Return the strain of the rule that a page is nearest to breaking: 0 best, 1 at a limit, more beyond it.

    A share that must not be exceeded counts in proportion; a share that must be reached, by how much is missing of the
    whole; between two limits, the page is best in their geometric middle.
    """
    counts = to_counts(row)
    choosers = (partial(repetition.rules, repetition_settings), partial(quality.rules, quality_settings))
    return max((rule.strain(counts) for choose in choosers for rule in choose(*group(counts))), default=0.0)
