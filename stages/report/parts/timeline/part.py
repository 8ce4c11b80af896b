"""The part about jobs and attempts: when each ran, and what came of it."""

from __future__ import annotations

from stages.report.part import Card, Material, Missing, Part, View
from stages.report.parts.timeline.figures import timeline_figure
from stages.report.parts.timeline.lanes import Timeline, lay_out
from stages.report.parts.timeline.read import read
from stages.report.words import count, duration, plural

MAX_TROUBLES = 50
"""Failed attempts listed by name; the table counts the others."""


def show(material: Material) -> View | Missing:
    """Return the timeline of the run."""
    attempts = read(material)
    if not attempts:
        return Missing(label="Not known", reason="this run has no ledger: the launcher did not start it")
    return view(lay_out(attempts, material.made))


def view(timeline: Timeline) -> View:
    """Return the timeline as a chart and a table. Pure."""
    total, troubles = sum(line.attempts for line in timeline.jobs), len(timeline.troubles)
    jobs = f"{plural(total, 'attempt')} of {plural(len(timeline.jobs), 'job')}"
    card = Card(
        id="attempts",
        label="wall time",
        text=duration(timeline.wall),
        value=total,
        note=f"{jobs}, {count(troubles) if troubles else 'none'} in trouble",
    )
    return View(
        values={"timeline": timeline, "max_troubles": MAX_TROUBLES},
        figures={"chart-timeline": timeline_figure(timeline)},
        cards=(card,),
    )


PART = Part(title="Jobs and attempts", kinds=(), show=show, card="wall time")
