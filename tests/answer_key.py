"""What the sample's answer key says of a run of the web stage, with that run's languages and steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

Verdict = tuple[str, str]
"""The step and the reason that a page is dropped with."""
KEPT: Verdict = ("", "")
BEFORE_LANGUAGE = ("read", "url", "extraction")
PREVIEWED: dict[Verdict, tuple[str, ...]] = {
    ("extraction", "no_text"): ("no_text", "too_few_words"),
    ("language", "other_language"): ("other_language",),
    ("language", "low_score"): ("other_language",),
    ("quality", "too_few_words"): ("too_few_words",),
}
"""Verdicts that the step `preview` may forestall, and with which reasons: it sees menus too, and not the best text."""


def expected(key: Mapping[str, Any], languages: Collection[str], steps: Collection[str]) -> Verdict:
    """Return what must become of a page, given the languages that are kept and the steps of the funnel."""
    if key["step"] not in BEFORE_LANGUAGE and key["language"] and key["language"] not in languages:
        return "language", "other_language"
    return (key["step"], key["reason"]) if key["step"] in steps else KEPT


def agree(right: Verdict, found: Verdict | None) -> bool:
    """Return whether what became of a page is what must."""
    return found == right or (found is not None and found[0] == "preview" and found[1] in PREVIEWED.get(right, ()))


def counts(verdicts: Iterable[Verdict]) -> Counter[Verdict]:
    """Return the number of dropped pages by verdict, those that `preview` makes or may forestall under one."""
    settled = (("preview", "") if one in PREVIEWED or one[0] == "preview" else one for one in verdicts if one != KEPT)
    return Counter(settled)
