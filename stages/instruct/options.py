"""Formats of answer options: an introduction, a mark before each option, an ending. Where a mark is a letter or a
number, the answer is the mark: `(B)`, or `B` if nothing opens a bracket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from string import ascii_lowercase, ascii_uppercase

import yaml

from stages.instruct.config import OPTION_FORMATS
from stages.instruct.rejects import Reject
from stages.instruct.rows import Row

MARK = re.compile(r"\(\{\w+\}\)|\[\{\w+\}\]|\{\w+\}")


@dataclass(frozen=True)
class OptionFormat:
    """One way to show options."""

    intro: str
    mark: str
    """Text before an option, with {upper}, {lower} or {number} in it, or without."""
    end: str

    def lay_out(self, row: Row) -> Row:
        """Return the row with `options_block`, and with the answer as the block names it.

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
