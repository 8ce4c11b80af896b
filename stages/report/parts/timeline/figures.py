"""The figure of the timeline: a Gantt chart of attempts. Pure."""

from __future__ import annotations

from stages.report.figures import LEGEND, Figure, label
from stages.report.parts.timeline.lanes import Timeline
from stages.report.words import duration

VERDICTS = ("done", "requeue", "running", "failed", "never", "bad-node", "lost", "cancelled")
LANE_PX = 16
TIME_UNITS = (
    (2 * 86400.0, 86400.0, "days"),
    (2 * 3600.0, 3600.0, "hours"),
    (120.0, 60.0, "minutes"),
    (0.0, 1.0, "seconds"),
)
"""Least length of the timeline, seconds in the unit of its axis, name of the unit."""


def timeline_figure(timeline: Timeline) -> Figure:
    """Return a Gantt chart: a bar an attempt, its colour the verdict, its lanes grouped by job."""
    unit, unit_name = next((size, name) for least, size, name in TIME_UNITS if timeline.wall >= least)
    lanes = sum(line.lanes for line in timeline.jobs)
    traces = []
    for verdict in VERDICTS:
        bars = [bar for bar in timeline.bars if bar.verdict == verdict]
        if bars:
            traces.append({
                "type": "bar",
                "orientation": "h",
                "name": verdict,
                "y": [bar.lane for bar in bars],
                "base": [round(bar.start / unit, 4) for bar in bars],
                "x": [round(bar.length / unit, 4) for bar in bars],
                "width": 0.8,
                # the line keeps a bar of no length visible
                "marker": {"color": f"--verdict-{verdict}", "line": {"color": f"--verdict-{verdict}", "width": 1.5}},
                "customdata": [label(f"{bar.label}, {duration(bar.length)}") for bar in bars],
                "hovertemplate": "%{customdata}<extra></extra>",
            })  # fmt: skip
    middles = [line.first_lane + (line.lanes - 1) / 2 for line in timeline.jobs]
    borders = [line.first_lane - 0.5 for line in timeline.jobs[1:]]
    return {
        "data": traces,
        "layout": {
            "barmode": "overlay",
            "height": 110 + LANE_PX * max(lanes, 2 * len(timeline.jobs)),
            "xaxis": {"title": {"text": f"{unit_name} since the first start"}, "rangemode": "tozero"},
            "yaxis": {
                "tickvals": middles,
                "ticktext": [label(line.job) for line in timeline.jobs],
                "range": [lanes - 0.5, -0.5],
                "showgrid": False,
                "zeroline": False,
            },
            "shapes": [
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    "y0": y,
                    "y1": y,
                    "line": {"color": "--line", "width": 1},
                }
                for y in borders
            ],
            "legend": LEGEND,
        },
    }
