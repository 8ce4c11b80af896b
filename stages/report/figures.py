"""The pictures, as Plotly figures in plain values. A colour is a CSS variable's name; the page's script fills it in.

Pure. Plotly's own figure classes are not used: importing them takes longer than making the report.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from stages.formats.metrics import Metrics
from stages.report.comparison import Comparison
from stages.report.timeline import Timeline
from stages.report.training import Grid
from stages.report.words import duration, number, visible

Figure = dict[str, Any]
MAX_POINTS = 600
"""Points of a curve; longer runs are averaged in equal stretches."""
START = 50
"""Of a long run's losses this part, the first ones, may lie above the picture."""
VERDICTS = ("done", "requeue", "running", "failed", "never", "bad-node", "lost")
MAX_LABEL = 48
"""Characters of a label; Plotly does not break lines."""
AXES = {
    "loss": {"rangemode": "normal"},
    "lr": {"exponentformat": "power"},
    "mfu": {"tickformat": ".0%"},
    "dropped": {"tickformat": "~%"},
}
"""What the axis of a metric has of its own."""
LANE_PX = 16
LEGEND = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
TIME_UNITS = (
    (2 * 86400.0, 86400.0, "days"),
    (2 * 3600.0, 3600.0, "hours"),
    (120.0, 60.0, "minutes"),
    (0.0, 1.0, "seconds"),
)


def label(text: str) -> str:
    """Return text as Plotly shows it literally (it reads a few HTML tags and entities in every label), cut to fit."""
    cut = text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "\u2026"
    return html.escape(visible(cut), quote=False)


def curve_figure(rows: Sequence[Metrics], field: str, color: str, template: str) -> Figure:
    """Return one metric over training steps; `template` formats its value in Plotly's d3 notation."""
    points = thin(rows, field)
    trace = {
        "type": "scatter",
        "mode": "lines" if len(points) > 1 else "markers",
        "x": [step for step, _ in points],
        "y": [value for _, value in points],
        "line": {"color": color, "width": 2},
        "hovertemplate": f"step %{{x:,}}: %{{y:{template}}}<extra></extra>",
    }
    return {
        "data": [trace],
        "layout": {
            "height": 240,
            "showlegend": False,
            "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
            "xaxis": {"title": {"text": "step"}, "tickformat": ","},
            "yaxis": {"rangemode": "tozero", "separatethousands": True, **AXES.get(field, {})},
        },
    }


def loss_figure(rows: Sequence[Metrics], left_out: Sequence[Metrics], heldout: Sequence[Metrics]) -> Figure:
    """Return the loss of the batches that were trained on, a mark for each of the others, and that of held-out text.

    The axis is that of the curves, of a long run's after its first fall, else the rest would be a flat line. A mark
    that would be above it, or that is no number, is at its top.
    """
    figure = curve_figure(rows, "loss", "--dropped", ".4f")
    curve, layout = figure["data"][0], figure["layout"]
    fall = len(curve["x"]) // START if len(rows) > MAX_POINTS else 0
    shown = [*curve["y"][fall:], *(row["heldout"] for row in heldout if row["step"] >= curve["x"][fall])]
    low, top = _range(shown)
    if low < top:
        layout["xaxis"]["range"] = [rows[0]["step"], rows[-1]["step"]]
        layout["yaxis"] = {"range": [low - 0.05 * (top - low), top + 0.05 * (top - low)]}
    if heldout:
        figure["data"].append({
            "type": "scatter",
            "mode": "lines+markers",
            "name": "held-out text",
            "x": [row["step"] for row in heldout],
            "y": [row["heldout"] for row in heldout],
            "line": {"color": "--kept", "width": 2},
            "hovertemplate": "step %{x:,}, held-out text: %{y:.4f}<extra></extra>",
        })  # fmt: skip
    if left_out:
        figure["data"].append({
            "type": "scatter",
            "mode": "markers",
            "name": "left out",
            "x": [row["step"] for row in left_out],
            "y": [min(row["loss"], top) if math.isfinite(row["loss"]) else top for row in left_out],
            "text": [f"step {row['step']:,}, left out: {number(row['loss'])}" for row in left_out],
            "marker": {"symbol": "x", "size": 9, "color": "--bad"},
            "hovertemplate": "%{text}<extra></extra>",
        })  # fmt: skip
    if len(figure["data"]) > 1:
        curve["name"] = "training"
        layout |= {"showlegend": True, "legend": LEGEND, "height": 280, "margin": {**layout["margin"], "t": 30}}
    return figure


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the largest of the finite values; 0 and 0 if there are none."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    return min(finite), max(finite)


def layers_figure(grid: Grid) -> Figure:
    """Return a heat map of one number by part of the model and step; colours tell powers of ten apart.

    What is not finite is a gap, through which the background's warning colour shows.
    """
    logs = [[math.log10(value) if value else None for value in values] for values in grid.values]
    found = [log for row in logs for log in row if log is not None] or [0.0]
    zeros = [
        [min(found) if value == 0 else log for value, log in zip(*row, strict=True)]
        for row in zip(grid.values, logs, strict=True)
    ]
    texts = [[f"{value:.3g}" if value is not None else "not finite" for value in values] for values in grid.values]
    return {
        "data": [
            {
                "type": "heatmap",
                "x": list(grid.steps),
                "y": [label(part) for part in grid.parts],
                "z": zeros,
                "text": texts,
                "colorscale": [[0, "--card"], [1, "--kept"]],
                "colorbar": {"thickness": 10, "outlinewidth": 0, **_ticks(min(found), max(found))},
                "hovertemplate": "%{y}, step %{x:,}: %{text}<extra></extra>",
            }
        ],
        "layout": {
            "height": 110 + max(8, min(22, 600 // len(grid.parts))) * len(grid.parts),
            "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
            "plot_bgcolor": "--bad",
            "xaxis": {"title": {"text": "step"}, "tickformat": ",", "showgrid": False},
            "yaxis": {"type": "category", "showgrid": False},
        },
    }


def _ticks(low: float, high: float) -> Figure:
    """Return the ticks of a scale between two powers of ten: whole powers, or 1, 2 and 5 of each if they are few."""
    exponents = range(math.floor(low), math.ceil(high) + 1)
    leading = (1,) if high - low > 1.5 else (1, 2, 5)
    values = [digit * 10.0**exponent for exponent in exponents for digit in leading]
    shown = [value for value in values if low <= math.log10(value) <= high]
    return {"tickvals": [math.log10(value) for value in shown], "ticktext": [f"{value:g}" for value in shown]}


def thin(rows: Sequence[Metrics], field: str) -> list[tuple[int, float]]:
    """Return (step, value) of at most MAX_POINTS equal stretches: the last step of each and the mean of its values."""
    stretch = -(-len(rows) // MAX_POINTS)
    parts = [rows[start : start + stretch] for start in range(0, len(rows), max(1, stretch))]
    return [(int(part[-1]["step"]), sum(float(row[field]) for row in part) / len(part)) for part in parts]


def scores_figure(comparisons: Sequence[Comparison]) -> Figure | None:
    """Return the scores that have a chance level, with one standard error, beside that level; None if there is none."""
    shown = [c for c in comparisons if any(row.score.chance is not None for row in c.rows)]
    if not shown:
        return None
    sources = list(dict.fromkeys(row.source for c in shown for row in c.rows))
    colors = ["--untrained", "--kept", "--second", "--accent", "--dropped"]
    traces: list[Figure] = [
        _score_trace(source, colors[number % len(colors)], shown) for number, source in enumerate(sources)
    ]
    chance = {
        "type": "scatter",
        "mode": "markers",
        "name": "chance",
        "y": [_label(c) for c in shown],
        "x": [c.rows[0].score.chance for c in shown],
        "marker": {"symbol": "line-ns-open", "size": 22, "color": "--muted", "line": {"width": 2}},
        "hovertemplate": "%{y}: chance %{x:.3f}<extra></extra>",
    }
    return {
        "data": [chance, *traces],
        "layout": {
            "height": 120 + 44 * len(shown),
            "xaxis": {"range": [-0.02, 1.02], "title": {"text": "score, with one standard error"}},
            "yaxis": {"autorange": "reversed", "type": "category"},
            "legend": LEGEND,
        },
    }


def _label(comparison: Comparison) -> str:
    return f"{label(comparison.task)}<br>{label(comparison.metric)}"


def _score_trace(source: str, color: str, comparisons: Sequence[Comparison]) -> Figure:
    rows = [(c, row) for c in comparisons for row in c.rows if row.source == source]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(source),
        "y": [_label(c) for c, _ in rows],
        "x": [row.score.value for _, row in rows],
        "error_x": {"type": "data", "array": [row.score.stderr or 0.0 for _, row in rows], "color": color, "width": 5},
        "marker": {"color": color, "size": 11},
        "hovertemplate": "%{y}: %{x:.3f}<extra>%{fullData.name}</extra>",
    }


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
