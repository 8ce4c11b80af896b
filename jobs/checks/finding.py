"""The result of one of the doctor's checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    about: str
    """Its subject, such as "this machine": findings of one subject are shown together."""
    level: Level
    """fail: no run can work. warn: some runs fail or are slow, or a service is absent."""
    what: str
    remedy: str = ""
    """The remedy; empty if none is needed."""
