"""The rows of the table, and the file that holds them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from stages.shared.files import write_json

Verdict = Literal["ok", "FAILED", "measured", "skipped"]
HEAD = ("check", "case", "verdict", "s/step", "MB", "plan", "off", "notes")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One result."""

    check: str
    case: str
    verdict: Verdict
    seconds: float | None = None
    """Of a step, the median."""
    memory_mb: float | None = None
    """Most that torch had allocated on the GPU."""
    planned_mb: float | None = None
    """The same as the planner has it."""
    note: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    """Everything else that was measured."""

    def cells(self) -> tuple[str, ...]:
        """Return the row's cells, in the order of HEAD."""
        off = self.memory_mb / self.planned_mb - 1 if self.memory_mb and self.planned_mb else None
        return (
            self.check,
            self.case,
            self.verdict,
            "" if self.seconds is None else f"{self.seconds:.4f}",
            "" if self.memory_mb is None else f"{self.memory_mb:,.0f}",
            "" if self.planned_mb is None else f"{self.planned_mb:,.0f}",
            "" if off is None else f"{off:+.0%}",
            self.note,
        )


class Report:
    """Rows as they come: printed at once, and written to a file after each, so that a script cut short leaves some."""

    def __init__(self, path: Path) -> None:
        self.rows: list[Row] = []
        self._path, self._began = path, time.monotonic()

    def add(self, row: Row) -> None:
        """Print a row and write all of them."""
        self.rows.append(row)
        print(f"{time.monotonic() - self._began:5.0f} s  " + "  ".join(filter(None, row.cells())), flush=True)
        self.write()

    def write(self) -> None:
        """Write the file."""
        seconds = round(time.monotonic() - self._began, 1)
        write_json(self._path, {"seconds": seconds, "rows": [asdict(row) for row in self.rows]})

    def table(self) -> str:
        """Return all rows, aligned."""
        lines = [HEAD, *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    @property
    def has_failed(self) -> bool:
        """Whether any check failed."""
        return any(row.verdict == "FAILED" for row in self.rows)
