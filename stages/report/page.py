"""Renders blocks as one self-contained HTML page. Pure, except that it reads the templates and Plotly's script.

The page loads nothing: styles, script and data are inside, and its content security policy forbids the rest. Only two
scripts may run, named by their digests, so that no text from the web can become a third one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.report import words
from stages.report.collect import Block
from stages.report.figures import Figure
from stages.report.part import Card, Missing, View
from stages.report.plotly_js import pack_plotly, script_hash

TEMPLATES = Path(__file__).parents[2] / "templates" / "report"
PARTS = Path(__file__).parent / "parts"
SCRIPTS = ("tables.js", "charts.js")
"""Joined into the page's own script."""
MAX_CARD_SECTIONS = 3
"""Sections of one part with cards on top of the page: of a sweep, the first ones."""
FILTERS = (
    words.count,
    words.short,
    words.percent,
    words.size,
    words.number,
    words.signed,
    words.duration,
    words.plural,
    words.slug,
)


def render(run: str, made: float, blocks: Sequence[Block]) -> str:
    """Return the page about a run; `made` is the Unix time that it shows."""
    environment = _environment()
    figures = all_figures(blocks)
    plotly = pack_plotly() if figures else None
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return environment.get_template("page.html.j2").render(
        run=run,
        made=datetime.fromtimestamp(made, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        blocks=[(block, _body(environment, block)) for block in blocks],
        cards=[(block, card) for block in blocks for card in cards(block, blocks)],
        figures_json=script_json(figures),
        plotly=plotly,
        script=script,
        script_hashes=[script_hash(script.encode()), *([plotly.sha256] if plotly else [])],
    )


def all_figures(blocks: Sequence[Block]) -> dict[str, Figure]:
    """Return the figures of all blocks by the id of their place on the page."""
    return {
        name + block.suffix: figure
        for block in blocks
        if isinstance(block.view, View)
        for name, figure in block.view.figures.items()
    }


def cards(block: Block, blocks: Sequence[Block]) -> list[Card]:
    """Return a block's cards as they stand on the page: of several sections each names its own."""
    sections = [other.section for other in blocks if other.part == block.part]
    if sections.index(block.section) >= MAX_CARD_SECTIONS:
        return []
    if isinstance(block.view, View):
        own = block.view.cards
    else:
        missing = Card(id=f"{block.part}-missing", label=block.card, text="", value="", note=block.view.reason)
        own = (replace(missing, text=block.view.label.lower()),) if block.card else ()
    where = f" \u00b7 {block.section}" if len(sections) > 1 else ""
    return [replace(card, id=card.id + block.suffix, label=card.label + where) for card in own]


def _body(environment: Environment, block: Block) -> Markup:
    if isinstance(block.view, Missing):
        return Markup(environment.get_template("missing.html.j2").render(missing=block.view))
    template = environment.get_template(f"{block.part}/part.html.j2")
    return Markup(
        template.render(
            **block.view.values,
            figures=block.view.figures,
            id=lambda name: name + block.suffix,
        )
    )


def script_json(value: Mapping[str, Any]) -> str:
    """Return JSON that can stand inside a script element: it has no `<`, so no end tag and no comment.

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
        loader=FileSystemLoader([TEMPLATES, PARTS]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: words.visible(value) if type(value) is str else value,
    )
    for function in FILTERS:
        environment.filters[function.__name__] = function
    environment.tests["missing"] = lambda value: isinstance(value, Missing)
    return environment
