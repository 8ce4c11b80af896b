"""Agreement of labellers: Krippendorff's alpha over the pairs of responses that they ranked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations, permutations

from stages.formats.chat.agreements import Agreement
from stages.formats.preferences import Preference

Distance = Callable[[int, int, Mapping[int, float]], float]
"""Squared distance of two values, from the values and the number of times that each is in the data."""


def latest(labels: Iterable[Preference]) -> list[Preference]:
    """Return the last label of each labeller and item, in order of these."""
    found: dict[tuple[str, str], Preference] = {}
    for label in labels:
        name = label.ranked_by, label.key
        found.pop(name, None)
        found[name] = label
    return list(found.values())


def agreement(labels: Sequence[Preference]) -> Agreement:
    """Return the agreement of labels, one of each labeller and item."""
    judged: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    labellers, reasons = Counter[str](), Counter[str]()
    times = Counter(label.key for label in labels)
    for label in labels:
        labellers[label.ranked_by] += 1
        reasons.update(label.reasons)
        for first, second in combinations(range(len(label.ranks)), 2):
            difference = label.ranks[first] - label.ranks[second]
            judged[label.key, first, second].append((difference > 0) - (difference < 0))
    units = [values for values in judged.values() if len(values) > 1]
    couples = [couple for values in units for couple in combinations(values, 2)]
    return Agreement(
        labellers=dict(sorted(labellers.items())),
        items=len(times),
        shared=sum(number > 1 for number in times.values()),
        pairs=len(units),
        same=sum(a == b for a, b in couples) / len(couples) if couples else None,
        nominal=alpha(units, nominal),
        ordinal=alpha(units, ordinal),
        ties=sum(values.count(0) for values in judged.values()),
        reasons=dict(reasons.most_common()),
    )


def alpha(units: Iterable[Sequence[int]], distance: Distance) -> float | None:
    """Return Krippendorff's alpha of units with the values that coders gave them, None if all values are equal.

    Units of fewer than two values are left out (Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011).
    """
    together: dict[tuple[int, int], float] = defaultdict(float)
    for values in units:
        for couple in permutations(values, 2):
            together[couple] += 1 / (len(values) - 1)
    counts: dict[int, float] = defaultdict(float)
    for (value, _), number in together.items():
        counts[value] += number
    expected = sum(counts[a] * counts[b] * distance(a, b, counts) for a in counts for b in counts)
    if not expected:
        return None
    observed = sum(number * distance(a, b, counts) for (a, b), number in together.items())
    return 1 - (sum(counts.values()) - 1) * observed / expected


def nominal(a: int, b: int, counts: Mapping[int, float]) -> float:
    """Return 1 for different values, else 0."""
    return float(a != b)


def ordinal(a: int, b: int, counts: Mapping[int, float]) -> float:
    """Return the square of the number of values from one to the other, half of the two ends' left out."""
    low, high = min(a, b), max(a, b)
    between = sum(number for value, number in counts.items() if low <= value <= high)
    return float((between - (counts[a] + counts[b]) / 2) ** 2)
