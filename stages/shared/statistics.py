"""Statistics that more than one stage needs. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def holm(values: Sequence[float]) -> list[float]:
    """Return p values that are corrected for their number, in order of `values`.

    Those up to a level hold the chance of one false verdict or more at that level (Scand. J. Statist. 6, 1979, 65-70).
    """
    corrected, largest = [0.0] * len(values), 0.0
    for place, number in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, values[number] * (len(values) - place)))
        corrected[number] = largest
    return corrected
