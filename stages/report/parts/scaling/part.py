"""The part about scaling: losses of several trainings, the power law through them, and what it predicts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stages.formats.kinds import KINDS
from stages.formats.telemetry.scaling import Prediction, ScalingLaw, read_law
from stages.report.figures import LEGEND, Figure, label
from stages.report.part import Card, Material, Part, View
from stages.report.words import number

STEPS = 40
"""Points of the drawn line."""


def show(material: Material) -> View:
    """Return the law of one section."""
    (file,) = material.of(KINDS.scaling)
    return view(read_law(file.path))


def view(law: ScalingLaw) -> View:
    """Return the law with its figure and tables. Pure."""
    measured = law.points[-1].loss
    card = Card(
        id="scaling",
        label="scaling exponent",
        text=number(law.exponent),
        value=law.exponent,
        note=f"95 % interval {number(law.low)} to {number(law.high)}",
    )
    values = {"law": law, "measured": measured, "holds": law.largest.low <= measured <= law.largest.high}
    return View(values=values, figures={"chart-scaling": figure(law)}, cards=(card,))


def figure(law: ScalingLaw) -> Figure:
    """Return the points, the line, and the predictions with their intervals, on axes of logarithms."""
    ends = [point.operations for point in (*law.points, *(each.point for each in law.predictions))]
    first, last = math.log(min(ends)), math.log(max(ends))
    xs = [math.exp(first + (last - first) * place / (STEPS - 1)) for place in range(STEPS)]
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": "trainings",
        "x": [point.operations for point in law.points],
        "y": [point.loss for point in law.points],
        "text": [label(point.name) for point in law.points],
        "marker": {"color": "--kept", "size": 9},
        "hovertemplate": "%{text}: %{y:.4f}<extra></extra>",
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "power law",
        "x": xs,
        "y": [law.factor * x**law.exponent for x in xs],
        "line": {"color": "--muted"},
        "hoverinfo": "skip",
    }
    axes = {
        "xaxis": {"type": "log", "title": {"text": "operations"}, "exponentformat": "power"},
        "yaxis": {"type": "log", "title": {"text": f"{law.kind} loss, nats a token"}},
    }
    predicted = [_predicted(law.predictions)] if law.predictions else []
    return {"data": [line, points, *predicted], "layout": {"height": 360, "legend": LEGEND, **axes}}


def _predicted(found: Sequence[Prediction]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "predicted",
        "x": [each.point.operations for each in found],
        "y": [each.point.loss for each in found],
        "text": [label(each.point.name) for each in found],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [each.high - each.point.loss for each in found],
            "arrayminus": [each.point.loss - each.low for each in found],
        },
        "marker": {"color": "--accent", "size": 9, "symbol": "diamond"},
        "hovertemplate": "%{text}: %{y:.4f}<extra></extra>",
    }


PART = Part(title="Scaling law", kinds=(KINDS.scaling,), show=show)
