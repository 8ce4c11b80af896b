"""Random draws that are the same on every machine and Python version.

Python guarantees only `random.Random.random` to repeat; the other methods of `random` may change between versions.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


def digest(*parts: object) -> bytes:
    """Return 32 bytes that depend only on the parts' texts."""
    return blake2b("\0".join(str(part) for part in parts).encode(), digest_size=32).digest()


def words(*rows: str) -> tuple[str, ...]:
    """Return the words of some rows: more readable than a list of quoted words."""
    return tuple(" ".join(rows).split())


class Draw:
    """A stream of choices named by its parts: equal parts, equal stream."""

    def __init__(self, *parts: object) -> None:
        self._random = random.Random(int.from_bytes(digest(*parts)[:8], "big"))

    def below(self, n: int) -> int:
        """Return a whole number from 0 to n - 1."""
        return int(self._random.random() * n)

    def between(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, share: float) -> bool:
        """Return True in the given share of calls."""
        return self._random.random() < share

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a drawn order (Fisher-Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result

    def sample(self, items: Sequence[T], n: int) -> list[T]:
        """Return n different items in a drawn order."""
        return self.shuffled(items)[:n]
