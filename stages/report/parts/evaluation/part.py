"""The part about evaluation: scores of every checkpoint against chance and against the untrained model."""

from __future__ import annotations

from collections.abc import Sequence

from stages.formats.kinds import KINDS
from stages.formats.results import Results
from stages.report.part import Card, Material, Part, View
from stages.report.parts.evaluation.comparison import CLEAR, Comparison, compare, headline
from stages.report.parts.evaluation.figures import scores_figure
from stages.report.parts.evaluation.read import read
from stages.report.words import number, plural


def show(material: Material) -> View:
    """Return the scores of one section."""
    return view(read(material))


def view(results: Sequence[Results]) -> View:
    """Return the comparisons as a table and a figure. Pure."""
    comparisons = compare(results)
    figure = scores_figure(comparisons)
    return View(
        values={"comparisons": comparisons, "clear": CLEAR},
        figures={"chart-scores": figure} if figure else {},
        cards=_cards(comparisons),
    )


def _cards(comparisons: Sequence[Comparison]) -> tuple[Card, ...]:
    best = headline(comparisons)
    if best is None:
        return ()
    comparison, shown = best
    score, others = shown.score, [row for row in comparison.rows if row.source != shown.source]
    notes = [] if score.chance is None else [f"chance {number(score.chance)}"]
    notes += [f"{other.source} {number(other.score.value)}" for other in others[:1]]
    return (
        Card(
            id="score",
            label=f"{comparison.task} {comparison.metric}",
            text=number(score.value),
            value=score.value,
            note="; ".join(notes) or plural(score.samples, "sample"),
        ),
    )


PART = Part(title="Evaluation", kinds=(KINDS.results,), show=show, card="evaluation")
