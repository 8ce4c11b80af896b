"""The compression format: how many tokens tokenizers make of the same documents. `tokenizer.compare` writes it.

Bytes a token, and fertility (tokens a word, arXiv:2012.15613), follow from the counts. Unused pieces stood nowhere in
these documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Documents of one source and language."""

    source: str
    language: str
    documents: int
    bytes: int
    words: int
    """A character of a script without spaces is a word."""


@dataclass(frozen=True, kw_only=True)
class Compression:
    """One tokenizer on all documents."""

    pieces: int
    unused: int
    """Normal pieces that stood nowhere."""
    examples: tuple[str, ...]
    """Some of these, the most frequent of its training first."""
    tokens: tuple[int, ...]
    """In order of the amounts."""
    byte_tokens: tuple[int, ...]
    """Those of them that spell a byte, for lack of a piece."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Tokenizers on the same documents."""

    amounts: tuple[Amount, ...]
    tokenizers: Mapping[str, Compression]
    """By name, in the recipe's order: the first is the one that others are compared with."""


def write_comparison(path: Path, found: Comparison) -> None:
    """Write a comparison, atomically."""
    write_json(path, asdict(found))


def read_comparison(path: Path) -> Comparison:
    """Return the comparison of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        tokenizers = {name: _compression(each) for name, each in value["tokenizers"].items()}
        return Comparison(amounts=tuple(Amount(**each) for each in value["amounts"]), tokenizers=tokenizers)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"no comparison of tokenizers ({error!r})", "Run `tokenizer.compare` again") from error


def _compression(value: dict[str, Any]) -> Compression:
    for name in ("examples", "tokens", "byte_tokens"):
        value[name] = tuple(value[name])
    return Compression(**value)
