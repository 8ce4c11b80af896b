"""Statistics that more than one stage needs. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z = 1.959963984540054
"""Standard errors on each side of a 95 % interval of a normal value."""


def holm(values: Sequence[float]) -> list[float]:
    """Return p values that are corrected for their number, in order of `values`.

    Those up to a level hold the chance of one false verdict or more at that level (Scand. J. Statist. 6, 1979, 65-70).
    """
    corrected, largest = [0.0] * len(values), 0.0
    for place, number in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, values[number] * (len(values) - place)))
        corrected[number] = largest
    return corrected


def wilson(share: float, number: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `number` questions (Wilson, JASA 22, 1927, 209-212)."""
    center = (share + Z * Z / (2 * number)) / (1 + Z * Z / number)
    half = Z * math.sqrt(share * (1 - share) / number + Z * Z / (4 * number * number)) / (1 + Z * Z / number)
    return max(0.0, center - half), min(1.0, center + half)
