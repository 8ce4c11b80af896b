"""The part about a mixture of tasks: shares that were promised beside those that were drawn, and rejected examples."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import NamedTuple

from stages.formats.chat.mixtures import DrawnCell, Mixture, read_mixture
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.report.words import short


class Row(NamedTuple):
    """A line of the table of shares."""

    mixture: str
    task: str
    style: str
    examples: int
    share: float
    drawn: int
    deviation: float
    """Drawn less promised, in standard deviations of the binomial distribution; 0 where nothing is left to chance."""


def show(material: Material) -> View | Missing:
    """Return the mixture of one section."""
    files = material.of(KINDS.mixture)
    return view(read_mixture(files[0].path)) if files else not_run(f"section {material.section} has drawn no mixture")


def view(mixture: Mixture) -> View:
    """Return the tables of shares and of tasks. Pure."""
    used = sum(task.state == "used" for task in mixture.tasks.values())
    note = f"of {used} tasks" if used == len(mixture.tasks) else f"of {used} of {len(mixture.tasks)} tasks"
    card = Card(id="chats-total", label="chats", text=short(mixture.draws), value=mixture.draws, note=note)
    values = {"draws": mixture.draws, "rows": list(rows(mixture.draws, mixture.cells)), "tasks": mixture.tasks}
    return View(values=values, cards=(card,))


def rows(draws: int, cells: Iterable[DrawnCell]) -> Iterable[Row]:
    """Yield the lines of the table of shares."""
    for cell in cells:
        spread = sqrt(draws * cell.share * (1 - cell.share)) if 0 < cell.share < 1 else 0.0
        deviation = (cell.drawn - draws * cell.share) / spread if spread else 0.0
        yield Row(cell.mixture, cell.task, cell.style, cell.examples, cell.share, cell.drawn, deviation)


PART = Part(title="Instructions", kinds=(KINDS.mixture,), show=show, card="chats")
