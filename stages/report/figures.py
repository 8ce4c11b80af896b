"""Figures: common pieces of the parts' pictures, which are Plotly figures in plain values.

A colour is the name of a CSS variable; the script of the page replaces it. Plotly's own figure classes are not used:
importing them takes longer than making the report.
"""

from __future__ import annotations

import html
from typing import Any

from stages.report.words import visible

Figure = dict[str, Any]
LEGEND = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
MAX_LABEL = 48
"""Characters of a label; Plotly does not break lines."""


def label(text: str) -> str:
    """Return text as Plotly shows it literally (it reads a few HTML tags and entities in every label), cut to fit."""
    cut = text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "\u2026"
    return html.escape(visible(cut), quote=False)
