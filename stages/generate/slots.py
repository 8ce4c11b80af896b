"""Slots of the cache that are free, in ranges. Pure."""

from __future__ import annotations

from bisect import insort


class Slots:
    """Lends ranges of slots; the first that fits and starts at a multiple of `block`."""

    def __init__(self, count: int, block: int = 1) -> None:
        self._free = [(0, count)] if count else []
        self._block = block

    @property
    def num_free(self) -> int:
        """Slots that are free, in all ranges."""
        return sum(stop - start for start, stop in self._free)

    def take(self, count: int) -> int | None:
        """Return the first of `count` slots that lie behind each other; None if there are none."""
        for at, (begin, stop) in enumerate(self._free):
            start = -(-begin // self._block) * self._block
            if stop - start >= count:
                left = ((begin, start), (start + count, stop))
                self._free[at : at + 1] = [(first, last) for first, last in left if first < last]
                return start
        return None

    def give_back(self, start: int, count: int) -> None:
        """Free slots that were taken."""
        if not count:
            return
        insort(self._free, (start, start + count))
        joined: list[tuple[int, int]] = []
        for begin, stop in self._free:
            if joined and joined[-1][1] == begin:
                joined[-1] = (joined[-1][0], stop)
            else:
                joined.append((begin, stop))
        self._free = joined
