"""Counts rejected examples by reason, and keeps the first of each reason to read."""

from __future__ import annotations

from collections import Counter
from typing import Any

SAMPLES = 10
"""Rejected examples that are kept of each reason."""
SHOWN_CHARS = 500


class Reject(Exception):  # noqa: N818  (an outcome, not an error)
    """An example that cannot be made or used."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class Rejects:
    """Counts and samples of one unit."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.samples: list[dict[str, Any]] = []

    def add(self, reject: Reject, **place: Any) -> None:
        """Count a reject. `place` names the example, such as its row from 1; an empty value is left out."""
        self.counts[reject.reason] += 1
        if self.counts[reject.reason] <= SAMPLES:
            # JSON may hold half a surrogate pair, which no file in UTF-8 can.
            detail = reject.detail[:SHOWN_CHARS].encode("utf-8", "replace").decode()
            self.samples.append({"reason": reject.reason, "detail": detail, **{k: v for k, v in place.items() if v}})
