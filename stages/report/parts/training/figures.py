"""Figures of a training: curves by step and heat maps by layer. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stages.formats.metrics import Metrics
from stages.report.figures import LEGEND, Figure, label
from stages.report.parts.training.summary import LayerGrid
from stages.report.words import number

MAX_POINTS = 600
"""Points of a curve; of a longer run each point is the mean of an equal stretch."""
HELDOUT = "heldout_"
"""Prefix of the name of a metric on held-out sequences."""
START = 50
"""One START-th of a long run's losses, the first ones, may lie above the figure."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Presentation of one metric."""

    title: str
    color: str = "--second"
    template: str = ".4~g"
    """Format of a value in Plotly's d3 notation."""
    axis: Mapping[str, str] = field(default_factory=dict)
    """Plotly's settings of its axis."""


LOOKS = {
    "mfu": Look(title="Share of the GPUs' peak", color="--kept", template=".1%", axis={"tickformat": ".0%"}),
    "dropped": Look(title="Full experts, share", color="--dropped", template=".2%", axis={"tickformat": "~%"}),
    "memory_mb": Look(title="Memory of the fullest rank, MB", color="--untrained", template=",.0f"),
}
"""Presentation of well-known further metrics; any other metric is shown by its own name."""
AXES = {"loss": {"rangemode": "normal"}, "lr": {"exponentformat": "power"}}
"""Plotly's settings of the axes of fixed fields."""


@dataclass(frozen=True, kw_only=True)
class MetricCurve:
    """The curve of a number beyond the fixed fields."""

    title: str
    last: float
    """Its last value."""
    figure: Figure


def metric_curve(rows: Sequence[Metrics], name: str, heldout: Sequence[Metrics] = ()) -> MetricCurve:
    """Return the curve of one metric, which every row has; `heldout` has it on held-out sequences."""
    look = LOOKS.get(name, Look(title=name))
    figure = curve_figure(rows, name, look.color, look.template)
    figure["layout"]["yaxis"] |= {"rangemode": "normal" if name not in LOOKS else "tozero", **look.axis}
    if heldout:
        figure["data"].append(heldout_trace(heldout, HELDOUT + name, look.template))
        with_legend(figure)
    return MetricCurve(title=look.title, last=float(rows[-1][name]), figure=figure)


def heldout_trace(rows: Sequence[Metrics], name: str, template: str) -> Figure:
    """Return the trace of a metric on held-out text."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "held-out text",
        "x": [row["step"] for row in rows],
        "y": [row[name] for row in rows],
        "line": {"color": "--kept", "width": 2},
        "hovertemplate": f"step %{{x:,}}, held-out text: %{{y:{template}}}<extra></extra>",
    }


def with_legend(figure: Figure) -> None:
    """Side effect: names the first trace of a figure, and adds a legend and room for it."""
    figure["data"][0]["name"] = "training"
    layout = figure["layout"]
    layout |= {"showlegend": True, "legend": LEGEND, "height": 280, "margin": {**layout["margin"], "t": 30}}


def curve_figure(rows: Sequence[Metrics], name: str, color: str, template: str) -> Figure:
    """Return one metric over training steps; `template` formats its value in Plotly's d3 notation."""
    points = thin(rows, name)
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
            "xaxis": {"title": {"text": "step"}, "tickformat": ",", "range": step_range(rows)},
            "yaxis": {"rangemode": "tozero", "separatethousands": True, **AXES.get(name, {})},
        },
    }


def step_range(rows: Sequence[Metrics]) -> list[float]:
    """Return the range of an axis of steps, with room for half of the last tick's label."""
    first, last = rows[0]["step"], rows[-1]["step"]
    return [first - 0.01 * (last - first), last + 0.03 * (last - first)] if last > first else [first - 1, first + 1]


def loss_figure(rows: Sequence[Metrics], left_out: Sequence[Metrics], heldout: Sequence[Metrics]) -> Figure:
    """Return the loss of the batches trained on, the loss on held-out text, and a mark for each batch left out.

    The axis fits the curves; of a long run it fits them after the first fall, or the rest would be a flat line. A mark
    above the axis, and one of a loss that is not finite, stands at its top.
    """
    figure = curve_figure(rows, "loss", "--dropped", ".4f")
    curve, layout = figure["data"][0], figure["layout"]
    fall = len(curve["x"]) // START if len(rows) > MAX_POINTS else 0
    shown = [*curve["y"][fall:], *(row["heldout"] for row in heldout if row["step"] >= curve["x"][fall])]
    low, top = _range(shown)
    if low < top:
        layout["yaxis"] = {"range": [low - 0.05 * (top - low), top + 0.05 * (top - low)]}
    if heldout:
        figure["data"].append(heldout_trace(heldout, "heldout", ".4f"))
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
        with_legend(figure)
    return figure


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the largest of the finite values; 0 and 0 if there are none."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    return min(finite), max(finite)


def layers_figure(grid: LayerGrid) -> Figure:
    """Return a heat map of one number by part of the model and step, on a logarithmic scale of colours.

    A value that is not finite is a gap, through which the warning colour of the background shows.
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


def thin(rows: Sequence[Metrics], name: str) -> list[tuple[int, float]]:
    """Return (step, value) of at most MAX_POINTS equal stretches: the last step of each and the mean of its values."""
    stretch = -(-len(rows) // MAX_POINTS)
    parts = [rows[start : start + stretch] for start in range(0, len(rows), max(1, stretch))]
    return [(int(part[-1]["step"]), sum(float(row[name]) for row in part) / len(part)) for part in parts]
