"""Reads results of evaluations."""

from __future__ import annotations

from stages.formats.kinds import KINDS
from stages.formats.results import Results, read_results
from stages.report.part import Material


def read(material: Material) -> list[Results]:
    """Return the results of a section, in plan order."""
    return [read_results(file.path) for file in material.of(KINDS.results)]
