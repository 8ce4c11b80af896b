"""Figures of the funnel: pages left after each step, and pages dropped by each step and reason. Pure.

All figures have the steps from top to bottom, so that a row is the same step in each of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from stages.formats.funnel import Funnel, StepCount
from stages.report.figures import LEGEND, Figure, label
from stages.report.words import count, percent, short, size

EXTRACTION = "extraction"
"""The step that turns markup into text; tokens are counted later."""
MAX_REASONS = 6
"""Reasons of a step with a piece of their own, the commonest first; one more piece sums the others."""
MAX_DUMPS = 8
"""Dumps with a line of their own."""
OPACITY = (1.0, 0.8, 0.64, 0.52, 0.42, 0.34, 0.26)
"""Of a step's pieces, from the commonest reason to the rest."""
ROW_PX = 27
DUMP_COLORS = ("--kept", "--dropped", "--second", "--accent", "--verdict-running", "--verdict-bad-node", "--muted")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star")


def left_figure(funnel: Funnel) -> Figure:
    """Return the pages left after each step."""
    total = funnel[0].pages_in
    texts = [f"{count(step.pages_out)} ({percent(step.pages_out, total)})" for step in funnel]
    bars = _bars(funnel, [step.pages_out for step in funnel], texts, "--kept")
    return _figure(funnel, [bars], max(step.pages_out for step in funnel))


def dropped_figure(funnel: Funnel) -> Figure:
    """Return the pages that each step dropped, in pieces by reason."""
    ranked = [_pieces(step) for step in funnel]
    total = funnel[0].pages_in
    traces = [
        {
            **_bars(
                funnel, [_at(pieces, rank)[1] for pieces in ranked], [_at(p, rank)[0] for p in ranked], "--dropped"
            ),
            "marker": {"color": "--dropped", "opacity": OPACITY[rank], "line": {"color": "--card", "width": 1}},
            "textposition": "inside",
            "insidetextanchor": "middle",
            "textfont": {"color": "--card" if rank < 3 else "--ink"},
            "customdata": [f"{name}: {count(n)} ({percent(n, total)} of all)" for name, n in _column(ranked, rank)],
            "hovertemplate": "%{y}<br>%{customdata}<extra></extra>",
        }
        for rank in range(max(map(len, ranked)))
    ]
    totals = {
        "type": "scatter",
        "mode": "text",
        "y": [label(step.name) for step in funnel],
        "x": [step.dropped for step in funnel],
        "text": [f" {count(step.dropped)}" for step in funnel],
        "textposition": "middle right",
        "hoverinfo": "skip",
    }
    figure = _figure(funnel, [*traces, totals], 1.18 * max(1, *(step.dropped for step in funnel)))
    figure["layout"] |= {"barmode": "stack", "uniformtext": {"minsize": 10, "mode": "hide"}}
    return figure


def bytes_figure(funnel: Funnel) -> Figure:
    """Return the bytes left after each step: markup first, text from the step that extracts it."""
    first = next((at for at, step in enumerate(funnel) if step.name == EXTRACTION or step.tokens), len(funnel))
    traces = []
    for name, color, steps in (("markup", "--untrained", range(first)), ("text", "--kept", range(first, len(funnel)))):
        own = [step.bytes if at in steps else 0 for at, step in enumerate(funnel)]
        traces.append({**_bars(funnel, own, [size(n) if n else "" for n in own], color), "name": name})
    figure = _figure(funnel, traces, max(step.bytes for step in funnel))
    figure["layout"] |= {"barmode": "stack", "showlegend": True, "legend": LEGEND}
    return figure


def tokens_figure(funnel: Funnel) -> Figure:
    """Return the tokens left after each step, from the step on that counts them."""
    texts = [short(step.tokens) if step.tokens else "" for step in funnel]
    bars = _bars(funnel, [step.tokens for step in funnel], texts, "--second")
    return _figure(funnel, [bars], max(step.tokens for step in funnel))


def dumps_figure(funnel: Funnel, by_source: Mapping[str, Funnel]) -> Figure:
    """Return the share of each dump's pages that is left after each step, for the dumps with the most pages."""
    largest = sorted(by_source.items(), key=lambda item: -item[1][0].pages_in if item[1] else 0)[:MAX_DUMPS]
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": label(source or "(no name)"),
            "y": [label(step.name) for step in own],
            "x": [step.pages_out / own[0].pages_in for step in own],
            "line": {"color": DUMP_COLORS[number % len(DUMP_COLORS)], "width": 1.5},
            "marker": {"color": DUMP_COLORS[number % len(DUMP_COLORS)], "symbol": SYMBOLS[number], "size": 8},
            "hovertemplate": "%{y}: %{x:.1%} left<extra>%{fullData.name}</extra>",
        }
        for number, (source, own) in enumerate(largest)
        if own and own[0].pages_in
    ]
    figure = _figure(funnel, traces, 1.03)
    figure["layout"]["xaxis"] |= {"tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1], "visible": True}
    figure["layout"]["margin"]["r"] = 22  # half of the last tick's label
    figure["layout"]["yaxis"]["showgrid"] = True
    figure["layout"] |= {"showlegend": True, "legend": LEGEND}
    figure["layout"]["height"] += 20 * len(traces)
    return figure


def _figure(funnel: Funnel, traces: list[Figure], longest: float) -> Figure:
    return {
        "data": traces,
        "layout": {
            "bargap": 0.22,
            "height": 40 + ROW_PX * len(funnel),
            "margin": {"l": 8, "r": 4, "t": 8, "b": 8},
            "showlegend": False,
            # the order of the steps, not that in which traces mention them
            "yaxis": {
                "showgrid": False,
                "autorange": "reversed",
                "type": "category",
                "categoryorder": "array",
                "categoryarray": [label(step.name) for step in funnel],
            },
            "xaxis": {"range": [0, longest or 1], "visible": False},
        },
    }


def _bars(funnel: Funnel, values: list[int], texts: list[str], color: str) -> Figure:
    return {
        "type": "bar",
        "orientation": "h",
        "y": [label(step.name) for step in funnel],
        "x": values,
        "text": [label(text) for text in texts],
        "textposition": "auto",
        "insidetextanchor": "start",
        "insidetextfont": {"color": "--card"},
        "textangle": 0,
        "marker": {"color": color},
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }


Piece = tuple[str, int]
"""A reason and its pages."""


def _pieces(step: StepCount) -> list[Piece]:
    ranked = sorted(((reason, n) for reason, n in step.reasons.items() if n), key=lambda item: (-item[1], item[0]))
    rest = ranked[MAX_REASONS:]
    return [*ranked[:MAX_REASONS], *([(f"{len(rest)} other reasons", sum(n for _, n in rest))] if rest else [])]


def _at(pieces: list[Piece], rank: int) -> Piece:
    return pieces[rank] if rank < len(pieces) else ("", 0)


def _column(ranked: list[list[Piece]], rank: int) -> list[Piece]:
    return [(label(name), n) for name, n in (_at(pieces, rank) for pieces in ranked)]
