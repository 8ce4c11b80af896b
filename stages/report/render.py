"""ReportData to one self-contained HTML page. Pure but for the templates and Plotly's script, which it reads.

The page loads nothing: styles, script and data are inside, and its content security policy forbids the rest. Only two
scripts may run, named by their digests, so that no text from the web, however it got there, can.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.formats.layers import LayerRow
from stages.formats.metrics import Metrics
from stages.formats.results import Generation
from stages.report import figures, funnel_figures, training, words
from stages.report.comparison import CLEAR, UNTRAINED, Comparison, compare
from stages.report.crawl import notes, rankings, reasons
from stages.report.data import Missing, ReportData
from stages.report.meanings import reason_meaning, step_meaning
from stages.report.plotly_js import pack_plotly, script_hash
from stages.report.story import tell
from stages.report.timeline import Timeline, lay_out
from stages.report.training import tell_training

TEMPLATES = Path(__file__).parents[2] / "templates" / "report"
MAX_TROUBLES = 50
"""Failed attempts listed by name; the table counts the others."""


def render(data: ReportData) -> str:
    """Return the page."""
    comparisons = [] if isinstance(data.results, Missing) else compare(data.results)
    timeline = None if isinstance(data.attempts, Missing) else lay_out(data.attempts, data.made)
    drawn = draw(data, comparisons, timeline)
    plotly = pack_plotly()
    script = (TEMPLATES / "charts.js").read_text(encoding="utf-8")
    by_step = {} if isinstance(data.pages, Missing) else reasons(data.pages)
    return _environment().get_template("page.html.j2").render(
        data=data,
        made=datetime.fromtimestamp(data.made, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        cards=tell(data, comparisons, timeline),
        reasons_by_step=by_step,
        most_dropped=max((row.pages for rows in by_step.values() for row in rows), default=0),
        notes=[] if isinstance(data.pages, Missing) else notes(data.pages),
        rankings=[] if isinstance(data.pages, Missing) else rankings(data.pages.tables),
        training=None if isinstance(data.training, Missing) else tell_training(data.training, data.layers, data.ranks),
        comparisons=comparisons,
        clear=CLEAR,
        timeline=timeline,
        max_troubles=MAX_TROUBLES,
        max_bad=training.MAX_BAD,
        prompts=[] if isinstance(data.generations, Missing) else by_prompt(data.generations),
        figures=drawn,
        figures_json=script_json(drawn),
        plotly=plotly,
        script=script,
        script_hashes=[script_hash(script.encode()), *([plotly.sha256] if plotly else [])],
    )  # fmt: skip


def draw(data: ReportData, comparisons: list[Comparison], timeline: Timeline | None) -> dict[str, figures.Figure]:
    """Return the figures of the parts that are there, by the id of their place on the page."""
    drawn: dict[str, figures.Figure | None] = {}
    if not isinstance(data.pages, Missing) and data.pages.funnel:
        funnel, by_source = data.pages.funnel, data.pages.by_source
        drawn["chart-left"] = funnel_figures.left_figure(funnel)
        drawn["chart-dropped"] = funnel_figures.dropped_figure(funnel)
        drawn["chart-bytes"] = funnel_figures.bytes_figure(funnel)
        drawn["chart-tokens"] = funnel_figures.tokens_figure(funnel)
        drawn["chart-dumps"] = funnel_figures.dumps_figure(funnel, by_source) if len(by_source) > 1 else None
    if not isinstance(data.training, Missing):
        drawn |= draw_training(data.training, data.layers)
    drawn["chart-scores"] = figures.scores_figure(comparisons)
    if timeline is not None:
        drawn["chart-timeline"] = figures.timeline_figure(timeline)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def draw_training(rows: list[Metrics], layers: Sequence[LayerRow]) -> dict[str, figures.Figure | None]:
    """Return the figures of a training."""
    good, used, full = training.trained(rows), training.has(rows, "mfu"), training.has(rows, "dropped")
    normed = [row for row in good if math.isfinite(row["grad_norm"])]
    by_layer = {name: training.grid(layers, name) for name in ("grad_norm", "activation_rms")} if layers else {}
    return {
        "chart-loss": figures.loss_figure(good, training.bad(rows), training.has(rows, "heldout")),
        "chart-lr": figures.curve_figure(rows, "lr", "--second", ".3e"),
        "chart-speed": figures.curve_figure(rows, "tokens_per_s", "--kept", ",.0f"),
        "chart-norm": figures.curve_figure(normed, "grad_norm", "--accent", ".4f"),
        "chart-mfu": figures.curve_figure(used, "mfu", "--kept", ".1%") if used else None,
        "chart-full": figures.curve_figure(full, "dropped", "--dropped", ".2%") if full else None,
        **{f"chart-{words.slug(name)}": figures.layers_figure(grid) for name, grid in by_layer.items()},
    }


def by_prompt(generations: list[Generation]) -> dict[str, list[Generation]]:
    """Return the continuations of each prompt, prompts in order of appearance, the untrained model's first."""
    found: dict[str, list[Generation]] = {}
    for generation in sorted(generations, key=lambda generation: generation.source != UNTRAINED):
        found.setdefault(generation.prompt, []).append(generation)
    return found


def script_json(value: Mapping[str, Any]) -> str:
    """Return JSON that can stand inside a script element: no `<`, so no end tag and no comment, whatever the texts.

    Infinities and NaN, which JSON has not, become null: a gap in a curve.
    """
    return json.dumps(_finite(value), ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: words.visible(value) if type(value) is str else value,
    )
    for function in (
        words.count,
        words.short,
        words.percent,
        words.size,
        words.number,
        words.signed,
        words.duration,
        words.plural,
        words.slug,
        step_meaning,
        reason_meaning,
    ):
        environment.filters[function.__name__] = function
    environment.tests["missing"] = lambda value: isinstance(value, Missing)
    return environment
