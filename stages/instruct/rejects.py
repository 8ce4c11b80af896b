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
    """Counts and samples of one task file."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.samples: list[dict[str, Any]] = []

    def add(self, reject: Reject, row: int, style: str = "", template: str = "") -> None:
        """Count a reject; a row counts from 1. A row that cannot be read has no style."""
        self.counts[reject.reason] += 1
        if self.counts[reject.reason] <= SAMPLES:
            place = {"row": row, "style": style, "template": template}
            detail = reject.detail[:SHOWN_CHARS]
            self.samples.append({"reason": reject.reason, "detail": detail, **{k: v for k, v in place.items() if v}})
