"""The packing format: what became of each source's chats. `align` writes it; the report reads it.

`packing.json`: {"row_tokens": ..., "sources": {source: {chats, examples, rows, tokens, ...}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class PackedSource:
    """Numbers of one source. Tokens that were read are tokens + heldout_tokens + lost_tokens."""

    chats: int
    examples: int
    """Chats, or parts of them, in the rows."""
    rows: int
    tokens: int
    learned: int
    """Tokens with a loss."""
    heldout_examples: int
    heldout_rows: int
    heldout_tokens: int
    lost_tokens: int
    """Tokens that were cut off, or of chats that are counted below."""
    counts: Mapping[str, int]
    """Chats, or parts of them, that were rejected, cut or split, by reason."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """All sources of a packing."""

    row_tokens: int
    """Tokens that a row can hold."""
    sources: Mapping[str, PackedSource]

    def fill(self, source: str) -> float:
        """Return the share of the rows of a source that holds tokens; 0 without rows."""
        found = self.sources[source]
        return found.tokens / (found.rows * self.row_tokens) if found.rows else 0.0


def write_packing(path: Path, packing: Packing) -> None:
    """Write a packing, atomically."""
    write_json(path, asdict(packing))


def read_packing(path: Path) -> Packing:
    """Return the packing of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        sources = {name: PackedSource(**source) for name, source in value["sources"].items()}
        return Packing(row_tokens=value["row_tokens"], sources=sources)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a packing ({error!r})", "Run the unit that wrote it again") from error
