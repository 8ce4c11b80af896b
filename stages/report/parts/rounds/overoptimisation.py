"""Over-optimisation: what an evaluation measured of a policy's snapshots, against their KL to the reference. Pure.

A policy that learns from a reward model first becomes better, then exploits the model's errors: the reward grows, and
a score that the policy does not learn from falls (arXiv:2210.10760).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from stages.formats.reinforcement.rounds import RoundRow
from stages.formats.results import UNTRAINED, Results, main_metric_order
from stages.report.figures import LEGEND, Figure, label
from stages.report.parts.evaluation.checkpoints import role_of, training_step

MIN_POINTS = 2
"""Snapshots of a curve."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A snapshot: the policy that sampled a round."""

    step: int
    kl: float
    """KL to the reference, in nats a response."""
    score: float
    """Mean score of the round's responses: what the policy learns from."""
    measured: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One task's main metric over the snapshots."""

    name: str
    points: tuple[Point, ...]
    """In order of the training."""


def curves_of(section: str, rows: Iterable[RoundRow], results: Iterable[Results]) -> list[Curve]:
    """Return a curve for each task that several snapshots of the section were measured on.

    An evaluation names the snapshots by their section: `checkpoints: {ppo: "from:ppo"}` makes `ppo/step-32`. A snapshot
    that sampled no round, as the last one, has no KL and is left out.
    """
    by_step = {row["step"]: row["numbers"] for row in rows}
    found: dict[str, dict[int, float]] = {}
    for each in results:
        step = 0 if role_of(each.key.source) == UNTRAINED else training_step(each.key.source)
        if step is None or step not in by_step or each.key.source.rpartition("/")[0] != section:
            continue
        for name, value in _main(each):
            found.setdefault(name, {})[step] = value
    return [
        Curve(name=name, points=_points(by_step, values)) for name, values in found.items() if len(values) >= MIN_POINTS
    ]


def _main(results: Results) -> Iterable[tuple[str, float]]:
    """Yield the name and the main metric of a result's task; nothing for a group without a common score."""
    scores = {score.metric: score.value for score in results.scores if score.task == results.key.task}
    if scores:
        metric = min(scores, key=partial(main_metric_order, results.key.task, results.key.variant))
        yield f"{results.key.task}: {metric}", scores[metric]


def _points(by_step: dict[int, dict[str, float]], values: dict[int, float]) -> tuple[Point, ...]:
    return tuple(
        Point(step=step, kl=by_step[step]["kl"], score=by_step[step]["score"], measured=value)
        for step, value in sorted(values.items())
    )


def overoptimisation(curve: Curve) -> Figure:
    """Return the measured score and, on an axis of its own, the score that the policy learns from, by KL."""
    measured = _trace(label(curve.name), curve.points, [point.measured for point in curve.points])
    score = _trace("score", curve.points, [point.score for point in curve.points])
    layout = {
        "height": 280,
        "legend": LEGEND,
        "xaxis": {"title": {"text": "KL to the reference, nats a response"}},
        "yaxis": {"title": {"text": "measured"}},
        "yaxis2": {"title": {"text": "score"}, "overlaying": "y", "side": "right", "showgrid": False},
    }
    return {"data": [measured, {**score, "yaxis": "y2", "line": {"dash": "dot"}}], "layout": layout}


def _trace(name: str, points: Sequence[Point], values: Sequence[float]) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [point.kl for point in points],
        "y": values,
        "customdata": [point.step for point in points],
        "hovertemplate": "step %{customdata:,}, KL %{x:.4~g}: %{y:.4~g}<extra></extra>",
    }
