"""Explains the steps of a funnel in a few words each; stages/text/reasons.py explains the reasons. Pure.

A name that is not here is shown alone: a funnel may hold steps that are newer than this table.
"""

from __future__ import annotations

from collections.abc import Mapping

STEPS: Mapping[str, str] = {
    "read": "reads the pages of the crawl's records",
    "url": "checks URLs against block lists and words",
    "preview": "extracts a fast text of every page and applies loose limits",
    "extraction": "extracts the main text",
    "language": "identifies the language with fastText",
    "repetition": "drops pages that repeat themselves",
    "quality": "drops pages that are not prose",
    "lines": "removes lines that are not prose",
    "dedup": "drops pages that nearly equal an earlier one",
    "substrings": "removes runs of words that other pages have too",
    "urls": "drops pages whose URL an earlier page had",
}


def step_meaning(name: str) -> str:
    """Return the purpose of a step, or an empty string."""
    return STEPS.get(name, "")
