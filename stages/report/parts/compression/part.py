"""The part about tokenizers: bytes a token and tokens a word on the same documents, old against new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.formats.corpus.compression import Amount, Comparison, read_comparison
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Part, View
from stages.report.words import number


@dataclass(frozen=True, kw_only=True)
class Row:
    """Documents of one source and language, or all, with a number of tokens by tokenizer."""

    source: str
    language: str
    bytes: int
    words: int
    tokens: tuple[int, ...]
    byte_tokens: tuple[int, ...]


def show(material: Material) -> View:
    """Return the comparison of one section."""
    (file,) = material.of(KINDS.compression)
    return view(read_comparison(file.path))


def view(found: Comparison) -> View:
    """Return the tables. Pure."""
    rows = [_row(found, [place], amount.source, amount.language) for place, amount in enumerate(found.amounts)]
    whole = _row(found, range(len(found.amounts)), "all", "")
    names = list(found.tokenizers)
    values = {"rows": rows, "whole": whole, "names": names, "tokenizers": found.tokenizers}
    return View(values=values, cards=_cards(whole, names))


def _row(found: Comparison, places: Sequence[int], source: str, language: str) -> Row:
    amounts: list[Amount] = [found.amounts[place] for place in places]
    each = found.tokenizers.values()
    return Row(
        source=source,
        language=language,
        bytes=sum(amount.bytes for amount in amounts),
        words=sum(amount.words for amount in amounts),
        tokens=tuple(sum(one.tokens[place] for place in places) for one in each),
        byte_tokens=tuple(sum(one.byte_tokens[place] for place in places) for one in each),
    )


def _cards(whole: Row, names: Sequence[str]) -> tuple[Card, ...]:
    if not whole.tokens[-1]:
        return ()
    value = whole.bytes / whole.tokens[-1]
    note = f"{names[0]}: {number(whole.bytes / whole.tokens[0])}" if len(names) > 1 and whole.tokens[0] else ""
    return (Card(id="compression", label=f"bytes a token, {names[-1]}", text=number(value), value=value, note=note),)


PART = Part(title="Tokenizers", kinds=(KINDS.compression,), show=show)
