"""The figure of the scores: every checkpoint beside the level of chance. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from stages.report.figures import LEGEND, Figure, label
from stages.report.parts.evaluation.comparison import Comparison


def scores_figure(comparisons: Sequence[Comparison]) -> Figure | None:
    """Return the scores that have a chance level, with their intervals, beside that level; None if there is none."""
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
            "xaxis": {"range": [-0.02, 1.02], "title": {"text": "score, with its 95 % interval"}},
            "yaxis": {"range": [len(shown) - 0.5, -0.5], "type": "category"},  # half a row of room on both sides
            "legend": LEGEND,
        },
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
