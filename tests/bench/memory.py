"""A process's own peak memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def grown_mb() -> Callable[[], float]:
    """Forget the peak so far; return what tells by how much the resident size has since been above today's."""
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mb()
    return lambda: peak_mb() - before


def peak_mb() -> float:
    """Return the peak of the resident size of this process; getrusage's has the peak of the process that began it."""
    return _status("VmHWM")


def resident_mb() -> float:
    """Return the resident size of this process."""
    return _status("VmRSS")


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name + ":"))) / 1e3
