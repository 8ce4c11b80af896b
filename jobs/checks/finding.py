"""What a check of the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    about: str
    """What it belongs to, such as "this machine": findings about the same thing are shown together."""
    level: Level
    """fail: no run can work. warn: some will not, or slowly, or a service is absent."""
    what: str
    remedy: str = ""
    """What to do about it; empty if there is nothing to do."""
