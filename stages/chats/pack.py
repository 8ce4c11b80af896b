"""Packs the examples of each source into rows, and counts what became of its chats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.chats.config import ChatStage
from stages.chats.encode import EXAMPLES, HELDOUT
from stages.chats.encoded import packed_source, places, reader_of, rows_name, vocab_size, writer_of
from stages.chats.packing import best_fit
from stages.formats.chat.packed import Example, PackedWriter
from stages.formats.chat.packing import PackedSource, Packing, write_packing
from stages.formats.kinds import KINDS
from stages.model.config import ModelConfig
from stages.shared.errors import DataError
from stages.shared.task import Task


def run(task: Task[ChatStage]) -> dict[str, Any]:
    """Write the rows of each source and the report into task.out; return the fill rates.

    Raises DataError for a source without a chat or document that can be learned.
    """
    by_source: dict[str, list[Path]] = {}
    files = task.config.data_files(task.inputs)
    for file, part in zip(files, task.steps["encode"], strict=True):
        by_source.setdefault(file.source, []).append(part)
    capacity = task.config.model.seq_len
    sources = {source: _pack(source, parts, task.out, task.config.model) for source, parts in by_source.items()}
    packing = Packing(row_tokens=capacity, sources=sources)
    write_packing(task.out / KINDS.packing.file, packing)
    return {source: {"rows": found.rows, "fill": round(packing.fill(source), 4)} for source, found in sources.items()}


def _pack(source: str, parts: Sequence[Path], out: Path, model: ModelConfig) -> PackedSource:
    num_ids = vocab_size(parts)
    rows = _write([part / EXAMPLES for part in parts], out / rows_name(source), model, num_ids)
    heldout = out / rows_name(source, is_heldout=True)
    held_out = _write([part / HELDOUT for part in parts], heldout, model, num_ids)
    found = packed_source(parts, "chats", rows, held_out)
    if not found.rows:
        problem = f"none of {found.chats:,} chats of source {source!r} can be learned ({found.counts})"
        raise DataError(parts[0], problem, "Read rejects.json there, mend the chats, or leave the source out")
    return found


def _write(parts: Sequence[Path], path: Path, model: ModelConfig, vocab_size: int) -> PackedWriter:
    """Write the rows of the examples of all parts; return the writer for its counts."""
    files = [reader_of(model)(part) for part in parts]
    lengths = np.concatenate([file.lengths for file in files])
    _, place = places(len(file.lengths) for file in files)

    def example(number: int) -> Example:
        file, there = place(number)
        return files[file].example(there)

    with writer_of(model)(path, vocab_size) as writer:
        for row in best_fit(lengths, model.seq_len):
            writer.write(map(example, row))
    return writer
