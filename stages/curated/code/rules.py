"""Rules for a file of code: each gives the reason to drop it; and headers that are cut off."""

from __future__ import annotations

import re

from stages.curated.code.config import CodeRules
from stages.curated.code.languages import GENERATED, HEAD_LINES, VENDORED
from stages.text.words.tokens import count_tokens

SHEBANG = re.compile(r"\A(?:#![^\n]*\n|# -\*- coding[^\n]*\n|<\?php[^\n]*\n|<\?xml[^\n]*\n)*")
COMMENT = re.compile(
    r"\s*(?:/\*(?:[^*]|\*(?!/)){0,20000}\*/|<!--(?:[^-]|-(?!->)){0,20000}-->|\(\*(?:[^*]|\*(?!\))){0,20000}\*\)"
    r"|\"\"\"(?:[^\"]|\"(?!\"\")){0,20000}\"\"\"|(?:[ \t]*(?://|#|--|;|%|\"|!|dnl\b|rem\b)[^\n]*(?:\n|\Z))+)[ \t]*\n?",
    re.IGNORECASE,
)
LEGAL = re.compile(r"copyright|\(c\)|©|licen[cs]e|all rights reserved|spdx-", re.IGNORECASE)


def path_reason(path: str, rules: CodeRules) -> str | None:
    """Return the reason to drop a file for its path."""
    return "vendored" if not rules.vendored and VENDORED.search(path) else None


def text_reason(text: str, rules: CodeRules) -> str | None:
    """Return the reason to drop a file for its text."""
    if not text.strip():
        return "no_text"
    lines = text.split("\n")
    if max(map(len, lines)) > rules.max_line:
        return "long_line"
    if len(text) / len(lines) > rules.max_mean_line:
        return "long_lines"
    if not rules.generated and GENERATED.search("\n".join(lines[:HEAD_LINES])):
        return "generated"
    if sum(map(str.isalnum, text)) < rules.min_alphanumeric * len(text):
        return "few_letters_and_digits"
    if sum(map(str.isalpha, text)) < rules.min_letters_per_token * count_tokens(text):
        return "few_letters_per_token"
    return None


def without_header(text: str) -> str:
    """Return a text without a comment about copyright or licence at its start; a line for the interpreter stays."""
    start = SHEBANG.match(text)
    at = start.end() if start else 0
    found = COMMENT.match(text, at)
    if found is None or not LEGAL.search(found[0]):
        return text
    return text[:at] + text[found.end() :].lstrip("\n")
