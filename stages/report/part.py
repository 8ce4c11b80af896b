"""The interface of a part: the kinds of file that it claims, and what it shows of the section that made them.

A part is a folder under stages/report/parts with a `part.py` that defines PART and a template `part.html.j2`, and a
line in stages/report/parts/table.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.report.figures import Figure
from stages.shared.contract import InputFile, Kind


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number on top of the page."""

    id: str
    label: str
    text: str
    """The number, for people."""
    value: float | int | str
    """The same number, for programs; empty if there is nothing to show."""
    note: str


@dataclass(frozen=True, kw_only=True)
class View:
    """Content of a part for one section."""

    values: Mapping[str, Any]
    """Variables of the part's template."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Plotly figures by the id of their place in the template."""
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Takes the place of a View that cannot be made."""

    label: str
    reason: str


def not_run(reason: str) -> Missing:
    """Return what stands for a section that has written nothing yet."""
    return Missing(label="Not run yet", reason=reason)


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything that a part may read: the files of one section, and the folder of the run."""

    section: str
    """Empty for a part that belongs to the whole run."""
    files: tuple[InputFile, ...]
    """The section's files of the part's kinds, and other sections' of `Part.beside`, in plan order. All of them
    exist."""
    run_dir: Path
    made: float
    """Unix time of the report."""

    def of(self, kind: Kind) -> list[InputFile]:
        """Return the files of one kind."""
        return [file for file in self.files if file.kind == kind.name]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the page."""

    title: str
    kinds: tuple[Kind, ...]
    """Kinds of file that it reads. Each section that makes the first kind is shown; the other kinds are optional. A
    part without kinds is shown once, for the run."""
    show: Callable[[Material], View | Missing]
    beside: tuple[Kind, ...] = ()
    """Kinds of file that it reads of all other sections, too."""
    card: str = ""
    """Label of its card while nothing can be shown; empty: no card."""
    meanwhile: str = ""
    """Where to look while the section still runs."""
