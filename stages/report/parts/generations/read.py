"""Reads continuations."""

from __future__ import annotations

from stages.formats.kinds import KINDS
from stages.formats.results import Generation, read_generations
from stages.report.part import Material


def read(material: Material) -> list[Generation]:
    """Return the continuations of a section, in plan order."""
    return [generation for file in material.of(KINDS.generations) for generation in read_generations(file.path)]
