"""Formats of answer options: an introduction, a mark before each option, an ending. Where a mark is a letter or a
number, the answer is the mark: `(B)`, or `B` if nothing opens a bracket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import yaml

from stages.formats.chat.rejects import Reject
from stages.instruct.config import OPTION_FORMATS
from stages.instruct.rows import Row

MARK = re.compile(r"\(\{\w+\}\)|\[\{\w+\}\]|\{\w+\}")
LABELLED = re.compile(r"\((?P<label>\w)\) (?P<text>.*)", re.DOTALL)


def answered(row: Row) -> Row:
    """Return a row with options as texts without labels, and with the answer as one of them.

    Raises Reject for an answer that is none of the options. A row without options is returned as it is.
    """
    options = row.get("options")
    if not isinstance(options, list) or not options or "answer" not in row:
        return row
    texts = [str(option) for option in options]
    labels = list(ascii_uppercase[: len(texts)])
    matches = [found for found in map(LABELLED.fullmatch, texts) if found]
    if len(matches) == len(texts):
        labels, texts = [found["label"] for found in matches], [found["text"] for found in matches]
    place = _place(row["answer"], texts, labels)
    if place is None:
        raise Reject("answer_not_an_option", f"{row['answer']!r} of {options}")
    return {**row, "options": texts, "answer": texts[place]}


def _place(answer: Any, texts: list[str], labels: list[str]) -> int | None:
    """Return the number of the option that an answer names: by its number, its text, its label `(B)`, or both."""
    if isinstance(answer, int) and not isinstance(answer, bool):
        return answer if 0 <= answer < len(texts) else None
    marked = [f"({label})" for label in labels]
    both = [f"{mark} {text}" for mark, text in zip(marked, texts, strict=False)]
    return next((names.index(answer) for names in (texts, marked, labels, both) if answer in names), None)


@dataclass(frozen=True)
class OptionFormat:
    """One way to show options."""

    intro: str
    mark: str
    """Text before an option, with {upper}, {lower} or {number} in it, or without."""
    end: str

    def lay_out(self, row: Row) -> Row:
        """Return an answered row with `options_block`, and with the answer as the block names it.

        Raises Reject for a row without options, or with more than there are letters.
        """
        options = row.get("options")
        if not options:
            raise Reject("no_options", str(row))
        if len(options) > len(ascii_uppercase):
            raise Reject("too_many_options", str(options))
        lines = [f"{_filled(self.mark, place)}{option}" for place, option in enumerate(options)]
        named = MARK.search(self.mark)
        answer = _filled(named[0], options.index(row["answer"])) if named else row["answer"]
        return {**row, "options_block": "\n".join((self.intro, *lines)) + self.end, "answer": answer}


@dataclass(frozen=True)
class OptionFormats:
    """The parts of formats, each drawn by itself."""

    intros: tuple[str, ...]
    marks: tuple[str, ...]
    ends: tuple[str, ...]

    def draw(self, draw: Random) -> OptionFormat:
        """Return a format."""
        return OptionFormat(draw.choice(self.intros), draw.choice(self.marks), draw.choice(self.ends))


def _filled(mark: str, place: int) -> str:
    return mark.format(upper=ascii_uppercase[place], lower=ascii_lowercase[place], number=place + 1)


def read_formats() -> OptionFormats:
    """Return the shipped formats."""
    value = yaml.safe_load(OPTION_FORMATS.read_text(encoding="utf-8"))
    return OptionFormats(*(tuple(value[name]) for name in ("intros", "marks", "ends")))
