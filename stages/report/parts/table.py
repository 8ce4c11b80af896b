"""The table of the report's parts, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from stages.report.part import Part
from stages.shared.contract import Kind

FOLDERS = (
    "pages",
    "quality",
    "contamination",
    "compression",
    "tokens",
    "mixture",
    "synthesis",
    "agreement",
    "packing",
    "reward",
    "training",
    "scaling",
    "alarm",
    "evaluation",
    "seen",
    "calls",
    "rounds",
    "plans",
    "win_rates",
    "generations",
    "timeline",
)
"""Folders beside this module, one a part. A new part is a folder and a line here."""


def _load(folder: str) -> Part:
    part: Part = import_module(f"stages.report.parts.{folder}.part").PART
    return part


PARTS: Mapping[str, Part] = {folder: _load(folder) for folder in FOLDERS}


def claimed() -> tuple[Kind, ...]:
    """Return every kind of file that a part reads."""
    return tuple(dict.fromkeys(kind for part in PARTS.values() for kind in (*part.kinds, *part.beside)))
