"""The seconds of each phase of a round, for the log. No output holds them: two equal trainings differ in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class PhaseClock:
    """Adds up seconds by phase: a lap ends one phase and begins the next.

    The phases are `sample`, the forward passes by role, `updates`, those of the round before, and the `rest`; `start`
    is all before the first round.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._last = now, now()
        self._seconds: dict[str, float] = {}
        self.finished: Mapping[str, float] = {}
        """Seconds of the phases up to the last `finish`."""

    def lap(self, phase: str) -> None:
        """Count the time since the last lap as a phase's."""
        now = self._now()
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._last
        self._last = now

    def finish(self) -> str:
        """Return the phases with seconds and shares in a line, and begin anew."""
        self.finished, self._seconds = self._seconds, {}
        total = sum(self.finished.values())
        shares = (f"{phase} {spent:.2f} s ({spent / total:.0%})" for phase, spent in self.finished.items() if total)
        return ", ".join(shares)
