"""Figures of the scores: checkpoints beside the level of chance, and curves over training steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from stages.formats.results import UNTRAINED
from stages.report.figures import LEGEND, Figure, label
from stages.report.parts.evaluation.checkpoints import in_order
from stages.report.parts.evaluation.comparison import CheckpointScore, Comparison
from stages.report.parts.evaluation.curves import Curve, Line, PowerLaw
from stages.report.words import short

COLORS = ("--kept", "--second", "--accent", "--dropped", "--ink")
"""Of checkpoints and trainings, in order; `untrained` has its own."""
MAX_CHECKPOINTS = 4
"""In the figure of scores: the untrained one and the newest."""
MAX_TICKS = 7


def scores_figure(comparisons: Sequence[Comparison]) -> Figure | None:
    """Return the scores from 0 to 1 that have an interval, beside the level of chance; None if there is none."""
    shown = [c for c in comparisons if all(_is_share(row) for row in c.rows)]
    if not shown:
        return None
    found = in_order(row.source for c in shown for row in c.rows)
    sources = [*(s for s in found if s == UNTRAINED), *[s for s in found if s != UNTRAINED][1 - MAX_CHECKPOINTS :]]
    rest = iter(COLORS)
    colors = {source: "--untrained" if source == UNTRAINED else next(rest) for source in sources}
    levels = [(_label(c), row.score.chance) for c in shown for row in c.rows[:1] if row.score.chance is not None]
    chance = {
        "type": "scatter",
        "mode": "markers",
        "name": "chance",
        "y": [name for name, _ in levels],
        "x": [level for _, level in levels],
        "marker": {"symbol": "line-ns-open", "size": 22, "color": "--muted", "line": {"width": 2}},
        "hovertemplate": "%{y}: chance %{x:.3f}<extra></extra>",
    }
    return {
        "data": [*([chance] if levels else []), *(_score_trace(source, colors[source], shown) for source in sources)],
        "layout": {
            "height": 120 + 44 * len(shown),
            "xaxis": {"range": [-0.02, 1.02], "title": {"text": "score, with its 95 % interval"}},
            "yaxis": {
                "range": [len(shown) - 0.5, -0.5],  # half a row of room on both sides
                "type": "category",
                "categoryarray": [_label(c) for c in shown],
            },
            "legend": LEGEND,
        },
    }


def _is_share(row: CheckpointScore) -> bool:
    low, high = row.score.low, row.score.high
    is_known = row.score.chance is not None or (low is not None and high is not None and 0 <= low <= high <= 1)
    return is_known and row.score.higher_is_better and 0 <= row.score.value <= 1


def curve_figure(curve: Curve) -> Figure:
    """Return a task's scores over training steps: intervals as bands, chance and `untrained` as dotted lines."""
    traces: list[Figure] = []
    for line, color in zip(curve.lines, COLORS, strict=False):
        traces += _line_traces(line, color, is_named=len(curve.lines) > 1)
    steps = sorted({step for line in curve.lines for step, _ in line.points})
    for name, level, color in (("chance", curve.chance, "--muted"), (UNTRAINED, curve.untrained, "--untrained")):
        if level is not None:
            traces.append(_level(name, level, color, steps))
    last, gaps = len(steps) - 1, MAX_TICKS - 1
    shown = steps if last <= gaps else [steps[round(place * last / gaps)] for place in range(MAX_TICKS)]
    return {
        "data": traces,
        "layout": {
            "height": 300,
            "xaxis": {
                "type": "log",
                "title": {"text": "training step"},
                "tickvals": shown,
                "ticktext": [short(step) for step in shown],
            },
            "yaxis": {"title": {"text": label(curve.column.metric)}},
            "legend": LEGEND,
        },
    }


def _line_traces(line: Line, color: str, is_named: bool) -> list[Figure]:
    steps = [step for step, _ in line.points]
    name = label(line.training or "checkpoints") if is_named else "checkpoints"
    known = [(step, score.low, score.high) for step, score in line.points if score.low is not None]
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": [step for step, _, _ in known] + [step for step, _, _ in reversed(known)],
        "y": [low for _, low, _ in known] + [high for _, _, high in reversed(known)],
        "fill": "toself",
        "fillcolor": color,
        "opacity": 0.18,
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": steps,
        "y": [score.value for _, score in line.points],
        "line": {"color": color, "width": 2},
        "marker": {"size": 7},
        "hovertemplate": "step %{x:,}: %{y:.4g}<extra>%{fullData.name}</extra>",
    }
    return [*([band] if known else []), points, *([_fit_trace(line.fit, color)] if line.fit else [])]


def _fit_trace(fit: PowerLaw, color: str) -> Figure:
    first, last = fit.steps[0], fit.steps[-1]
    steps = [first * (last / first) ** (number / 24) for number in range(25)]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "power law",
        "x": steps,
        "y": [fit.score(step) for step in steps],
        "line": {"color": color, "dash": "dash", "width": 1.5},
        "hoverinfo": "skip",
    }


def _level(name: str, level: float, color: str, steps: Sequence[int]) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [steps[0], steps[-1]],
        "y": [level, level],
        "line": {"color": color, "dash": "dot", "width": 1.5},
        "hovertemplate": f"{name} %{{y:.4g}}<extra></extra>",
    }


def _label(comparison: Comparison) -> str:
    return f"{label(comparison.task)}<br>{label(comparison.metric)}, {label(comparison.protocol)}"


def _score_trace(source: str, color: str, comparisons: Sequence[Comparison]) -> Figure:
    rows = [(c, row) for c in comparisons for row in c.rows if row.source == source]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(source),
        "y": [_label(c) for c, _ in rows],
        "x": [row.score.value for _, row in rows],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [0.0 if row.score.high is None else row.score.high - row.score.value for _, row in rows],
            "arrayminus": [0.0 if row.score.low is None else row.score.value - row.score.low for _, row in rows],
            "color": color,
            "width": 5,
        },
        "marker": {"color": color, "size": 11},
        "hovertemplate": "%{y}: %{x:.3f}<extra>%{fullData.name}</extra>",
    }
