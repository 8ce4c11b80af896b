"""The part about alarms: what each checkpoint of a series shows, which tasks became worse, which samples flipped."""

from __future__ import annotations

from stages.formats.alarms import AlarmReport, read_alarm
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Part, View

MAX_NIGHTS = 60
"""Nights on the page, the newest."""
MAX_NAMES = 40
"""Names of flipped samples of a task on the page."""
WORDS = {"early": "too early to compare", "calm": "calm", "watch": "watch", "alarm": "alarm"}


def show(material: Material) -> View:
    """Return the nights of one section."""
    file = material.of(KINDS.alarm)[-1]
    place = file.path.relative_to(material.run_dir) if file.path.is_relative_to(material.run_dir) else file.path
    return view(read_alarm(file.path), str(place))


def view(report: AlarmReport, place: str) -> View:
    """Return the nights, the newest first, and the flipped samples by task. Pure."""
    last = report.last
    worse = "; ".join(drop.task for drop in last.drops) if last else ""
    card = Card(
        id="alarm",
        label="Alarm",
        text=WORDS[last.state] if last else "no night yet",
        value=last.state if last else "",
        note=worse or (last.checkpoint if last else "no checkpoint was compared"),
    )
    return View(
        values={
            "nights": report.nights[::-1][:MAX_NIGHTS],
            "all_nights": len(report.nights),
            "flipped": {task: (names[:MAX_NAMES], len(names)) for task, names in report.flipped.items()},
            "place": place,
            "words": WORDS,
        },
        cards=(card,),
    )


PART = Part(title="Alarm", kinds=(KINDS.alarm,), show=show, card="alarm")
