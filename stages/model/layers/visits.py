"""Visits of a step: which slots of the cache its new tokens see. Light: without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visit:
    """New tokens that see the same slots of the cache: all of them, or, where there are as many slots as tokens and
    `is_causal`, each those up to its own.
    """

    first: int
    """Of the new tokens."""
    last: int
    """One behind the last new token."""
    start: int
    """First slot."""
    stop: int
    """One behind the last slot."""
    is_causal: bool = False


@dataclass(frozen=True)
class Seen:
    """What tokens of a step see."""

    own: tuple[Visit, ...]
    """Each token's visit to its own slot and others; in the order of the tokens, each token once."""
    shared: tuple[Visit, ...] = ()
    """What else they see."""
