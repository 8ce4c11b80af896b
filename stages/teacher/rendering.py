"""Renders the prompts of `templates/prompts` with values in them."""

from __future__ import annotations

from typing import Any

import jinja2

_ENVIRONMENT = jinja2.Environment(
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
)


def render(text: str, /, **values: Any) -> str:
    """Return a template of ours with values in it. What a value holds is never read as a template."""
    return _ENVIRONMENT.from_string(text).render(**values)
