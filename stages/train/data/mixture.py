"""Each source's share of a training, and how often it is read. Pure and light: `plan` uses it."""

from __future__ import annotations

from collections.abc import Mapping

from stages.formats.readings import Reading

WORTHWHILE = 4
"""Readings of a text until new text would teach clearly more (arXiv:2305.16264, section 5)."""


def readings(tokens: Mapping[str, float], mixture: Mapping[str, float] | None, wanted: float) -> list[Reading]:
    """Return what a training of `wanted` tokens takes from each source, given the tokens of each.

    Shares are proportional to the mixture's weights; without one to the tokens, so that all are read equally often.
    """
    weights = {source: mixture[source] if mixture else held for source, held in tokens.items()}
    whole = sum(weights.values())
    return [
        Reading(source, held, weights[source] / whole, wanted * weights[source] / whole / held)
        for source, held in tokens.items()
    ]


def warning(found: list[Reading]) -> str:
    """Return a warning about sources that are read too often; "" if none is."""
    often = ", ".join(
        f"{each.source} {each.epochs:,.1f} times"
        for each in sorted(found, key=lambda each: -each.epochs)
        if each.epochs > WORTHWHILE
    )
    return often and f"{often}: beyond {WORTHWHILE} the same text teaches less than new one (arXiv:2305.16264)"
