"""The files between the steps `encode` and `pack`, and the numbers of a source that is packed."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stages.formats.chat.packed import PackedRows, PackedWriter
from stages.formats.chat.packing import PackedSource
from stages.formats.chat.pictured import PicturedRows, PicturedWriter
from stages.formats.chat.rejects import Rejects
from stages.model.config import ModelConfig
from stages.shared.files import read_json, write_json

COUNTS, REJECTS = "counts.json", "rejects.json"


def writer_of(model: ModelConfig) -> type[PackedWriter]:
    """Return the writer of a model's examples and rows."""
    return PicturedWriter if model.sense else PackedWriter


def reader_of(model: ModelConfig) -> type[PackedRows]:
    """Return the reader of a model's examples and rows."""
    return PicturedRows if model.sense else PackedRows


def write_counts(out: Path, records: Mapping[str, int], read: int, kept: int, num_ids: int, rejects: Rejects) -> None:
    """Write the counts of a unit and samples of its rejects.

    `records` is one number with its name, such as {"chats": 9}; `read` and `kept` are tokens.
    """
    numbers = {"tokens_read": read, "tokens_kept": kept, "vocab_size": num_ids}
    write_json(out / COUNTS, {**records, **numbers, "counts": dict(sorted(rejects.counts.items()))})
    write_json(out / REJECTS, rejects.samples)


def vocab_size(parts: Sequence[Path]) -> int:
    """Return the number of ids that the tokens of encoded parts can have."""
    found: int = read_json(parts[0] / COUNTS)["vocab_size"]
    return found


def packed_source(parts: Sequence[Path], records: str, rows: PackedWriter, heldout: PackedWriter) -> PackedSource:
    """Return the numbers of a source, given its encoded parts, the name of its records and the writers of its rows.

    The writers are closed.
    """
    counts: list[Mapping[str, Any]] = [read_json(part / COUNTS) for part in parts]
    reasons: Counter[str] = sum((Counter(each["counts"]) for each in counts), Counter())
    return PackedSource(
        chats=sum(each[records] for each in counts),
        examples=rows.examples,
        rows=rows.rows,
        tokens=rows.tokens,
        learned=rows.learned,
        heldout_examples=heldout.examples,
        heldout_rows=heldout.rows,
        heldout_tokens=heldout.tokens,
        lost_tokens=sum(each["tokens_read"] - each["tokens_kept"] for each in counts),
        counts=dict(sorted(reasons.items())),
    )


def places(sizes: Iterable[int]) -> tuple[int, Callable[[int], tuple[int, int]]]:
    """Return the number of items in all files, and a function from an item's number to its file and its number there.

    `sizes` are the items of each file.
    """
    starts = [0, *accumulate(sizes)]

    def place(number: int) -> tuple[int, int]:
        file = bisect_right(starts, number) - 1
        return file, number - starts[file]

    return starts[-1], place


def rows_name(source: str, *, is_heldout: bool = False) -> str:
    """Return the name of a source's `.bin` file of rows. Safe for any source name."""
    return f"{'heldout' if is_heldout else 'rows'}-{quote(source, safe='')}.bin"
