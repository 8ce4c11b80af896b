"""What the sample's answer key says of a run of the web stage, with that run's languages and steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Verdict = tuple[str, str]
"""The step and the reason that a page is dropped with."""
KEPT: Verdict = ("", "")
BEFORE_LANGUAGE = ("read", "url", "extraction")
FORESTALLED = {"no_text": "extraction", "other_language": "language", "too_few_words": "quality"}
"""Reasons that the gates of the step `preview` may give before the step whose reasons they are."""


def expected(key: Mapping[str, Any], languages: Collection[str], steps: Collection[str]) -> Verdict:
    """Return what must become of a page, given the languages that are kept and the steps of the funnel."""
    if key["step"] not in BEFORE_LANGUAGE and key["language"] and key["language"] not in languages:
        return "language", "other_language"
    return (key["step"], key["reason"]) if key["step"] in steps else KEPT


def settled(step: str, reason: str) -> Verdict:
    """Return a verdict in the name of the step whose reason it is."""
    return (FORESTALLED.get(reason, step) if step == "preview" else step), reason
