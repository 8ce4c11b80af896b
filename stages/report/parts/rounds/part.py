"""The part about a reinforcement learning: its numbers by round, how responses ended, and responses to read."""

from __future__ import annotations

from collections.abc import Sequence

from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rounds import RoundRow, read_rounds
from stages.formats.results import read_results
from stages.report.figures import Figure
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.report.parts.rounds.overoptimisation import Curve, curves_of, overoptimisation
from stages.report.words import number, plural, slug

TITLES = {
    "score": "Score of a response",
    "kl": "KL to the reference, nats a response",
    "length": "Tokens of a response",
    "ended": "Share with an end token",
    "entropy": "Entropy of a choice, nats",
    "explained_variance": "Explained variance of the values",
    "score_length_correlation": "Correlation of score and length",
}
"""Numbers with a curve."""
RANGES = {"ended": [-0.02, 1.02], "score_length_correlation": [-1.05, 1.05]}
"""Ranges of axes that do not fit their curve."""
AGAINST_KL = "chart-score-kl"
"""Place of the figure of over-optimisation."""
SHOWN_ROUNDS = 4
"""Rounds whose responses are shown side by side: the first, the last, and some between."""


def show(material: Material) -> View | Missing:
    """Return the rounds of one section."""
    rows = [row for file in material.of(KINDS.rounds) for row in read_rounds(file.path)]
    if not rows:
        return not_run(f"section {material.section} has finished no round")
    results = [read_results(file.path) for file in material.of(KINDS.results)]
    return view(rows, curves_of(material.section, rows, results))


def view(rows: Sequence[RoundRow], measured: Sequence[Curve] = ()) -> View:
    """Return the rounds in curves and tables, and what was measured of their snapshots. Pure."""
    first, last = rows[0]["numbers"], rows[-1]["numbers"]
    curves = {f"chart-round-{slug(name)}": name for name in TITLES if name in last}
    figures = {place: curve(rows, name) for place, name in curves.items()}
    card = Card(
        id="score",
        label="score of the last round",
        text=number(last["score"]),
        value=last["score"],
        note=f"from {number(first['score'])}, in {plural(len(rows), 'round')}, at a KL of {number(last['kl'])} nats",
    )
    return View(
        values={
            "rows": rows,
            "curves": {place: (TITLES[name], last[name]) for place, name in curves.items()},
            "finishes": sorted({reason for row in rows for reason in row["finishes"]}),
            "read": spread(rows),
            "measured": {f"chart-measured-{slug(each.name)}": each for each in measured},
        },
        figures={
            **figures,
            AGAINST_KL: against_kl(rows),
            **{f"chart-measured-{slug(each.name)}": overoptimisation(each) for each in measured},
        },
        cards=(card,),
    )


def spread(rows: Sequence[RoundRow]) -> list[RoundRow]:
    """Return the rounds whose responses are shown: at equal distances, the first and the last among them."""
    count = min(SHOWN_ROUNDS, len(rows))
    places = {round(place * (len(rows) - 1) / max(1, count - 1)) for place in range(count)}
    return [rows[place] for place in sorted(places)]


def against_kl(rows: Sequence[RoundRow]) -> Figure:
    """Return the score against the KL to the reference, round by round: what the distance has bought."""
    numbers = [row["numbers"] for row in rows]
    figure = curve(rows, "score")
    (trace,) = figure["data"]
    hover = "round %{customdata:,}, KL %{x:.4~g}: %{y:.4~g}<extra></extra>"
    rounds = [row["round"] for row in rows]
    trace = {**trace, "x": [each["kl"] for each in numbers], "customdata": rounds, "hovertemplate": hover}
    axis = {"title": {"text": "KL to the reference, nats a response"}}
    return {"data": [trace], "layout": {**figure["layout"], "xaxis": axis}}


def curve(rows: Sequence[RoundRow], name: str) -> Figure:
    """Return one number by round."""
    trace = {
        "type": "scatter",
        "mode": "lines+markers" if len(rows) <= 60 else "lines",
        "x": [row["round"] for row in rows],
        "y": [row["numbers"].get(name) for row in rows],
        "line": {"color": "--second", "width": 2},
        "hovertemplate": "round %{x:,}: %{y:.4~g}<extra></extra>",
    }
    return {
        "data": [trace],
        "layout": {
            "height": 240,
            "showlegend": False,
            "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
            "xaxis": {"title": {"text": "round"}, "tickformat": ",d"},
            "yaxis": {"separatethousands": True, **({"range": RANGES[name]} if name in RANGES else {})},
        },
    }


PART = Part(title="Reinforcement learning", kinds=(KINDS.rounds,), show=show, beside=(KINDS.results,))
