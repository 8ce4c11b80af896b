"""The part about generations: continuations of the same prompts by every checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

from stages.formats.kinds import KINDS
from stages.formats.results import UNTRAINED, Generation
from stages.report.part import Material, Missing, Part, View, not_run
from stages.report.parts.generations.read import read


def show(material: Material) -> View | Missing:
    """Return the continuations of one section."""
    generations = read(material)
    return view(generations) if generations else not_run(f"section {material.section} has written no continuation")


def view(generations: Sequence[Generation]) -> View:
    """Return the continuations by prompt. Pure."""
    return View(values={"prompts": by_prompt(generations)})


def by_prompt(generations: Sequence[Generation]) -> dict[str, list[Generation]]:
    """Return the continuations of each prompt: prompts in order of appearance, the untrained model first."""
    found: dict[str, list[Generation]] = {}
    for generation in sorted(generations, key=lambda generation: generation.source != UNTRAINED):
        found.setdefault(generation.prompt, []).append(generation)
    return found


PART = Part(title="Generations", kinds=(KINDS.generations,), show=show)
