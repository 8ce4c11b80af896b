"""Packs the compared responses of each source into rows, and counts what became of its prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stages.align.comparisons import HELD_OUT_IN, ComparisonStage
from stages.align.encode import COMPARED, DEMONSTRATIONS, HELDOUT
from stages.chats.encoded import packed_source, places, rows_name, vocab_size
from stages.chats.packing import best_fit
from stages.formats.chat.compared import Compared, ComparedRows, ComparedWriter
from stages.formats.chat.packing import PackedSource, Packing, write_packing
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError
from stages.shared.task import Task


def run(task: Task[ComparisonStage]) -> dict[str, Any]:
    """Write the rows of each source, those of demonstrations and the report into task.out; return the fill rates.

    Raises DataError for a source without a prompt that can be learned from.
    """
    parts = task.steps["encode"]
    learned, held_out = (_by_source(task, fields) for fields in ((task.config.data,), HELD_OUT_IN))
    capacity, num_ids = task.config.model.seq_len, vocab_size(parts)

    def write(found: Sequence[Path], part: str, name: str) -> ComparedWriter:
        return _write([each / part for each in found], task.out / name, capacity, num_ids)

    apart = {name: write(found, HELDOUT, rows_name(name, is_heldout=True)) for name, found in held_out.items()}
    rows = {name: write(found, COMPARED, rows_name(name)) for name, found in learned.items()}
    write(parts, DEMONSTRATIONS, DEMONSTRATIONS)
    sources = {name: _counted(name, learned[name], rows[name], apart[name]) for name in learned}
    packing = Packing(row_tokens=capacity, sources=sources)
    write_packing(task.out / KINDS.packing.file, packing)
    return {source: {"rows": found.rows, "fill": round(packing.fill(source), 4)} for source, found in sources.items()}


def _by_source(task: Task[ComparisonStage], fields: Sequence[str]) -> dict[str, list[Path]]:
    """Return the encoded parts of the files of some input fields, by source."""
    found: dict[str, list[Path]] = {}
    wanted = [file for field in fields for file in task.inputs.get(field, ())]
    for file, part in zip(task.config.encoded_files(task.inputs), task.steps["encode"], strict=True):
        if file in wanted:
            found.setdefault(file.source, []).append(part)
    return found


def _counted(source: str, parts: Sequence[Path], rows: ComparedWriter, held_out: ComparedWriter) -> PackedSource:
    found = packed_source(parts, "prompts", rows, held_out)
    if not found.rows:
        problem = f"none of {found.chats:,} prompts of source {source!r} can be learned from ({found.counts})"
        raise DataError(parts[0], problem, "Read rejects.json there, mend the preferences, or leave the source out")
    return found


def _write(parts: Sequence[Path], path: Path, capacity: int, vocab_size: int) -> ComparedWriter:
    """Write the rows of the prompts of all parts; return the writer for its counts."""
    files = [ComparedRows(part) for part in parts]
    total, place = places(len(file) for file in files)

    def record(number: int) -> Compared:
        file, there = place(number)
        return files[file].prompt(there)

    prompts = _by_prompt(map(record, range(total)), capacity)
    lengths = [sum(length for _, length in found) for found in prompts]
    with ComparedWriter(path, vocab_size) as writer:
        for row in best_fit(lengths, capacity):
            writer.write_prompts(merged([record(number) for number, _ in prompts[each]]) for each in row)
    return writer


def _by_prompt(records: Iterable[Compared], capacity: int) -> list[list[tuple[int, int]]]:
    """Return the numbers and tokens of the records of each prompt.

    Records with one prompt are never in two rows, because pairs of a prompt that are shuffled apart are overfitted
    (arXiv:2203.02155, section 3.5), unless they are more than a row can hold.
    """
    found: list[list[tuple[int, int]]] = []
    open_groups: dict[bytes, int] = {}
    room: dict[int, int] = {}
    for number, record in enumerate(records):
        key = _prompt_of(record)
        group = open_groups.get(key)
        if group is None or room[group] < record.tokens:
            group = open_groups[key] = len(found)
            found.append([])
            room[group] = capacity
        found[group].append((number, record.tokens))
        room[group] -= record.tokens
    return found


def _prompt_of(record: Compared) -> bytes:
    """Return a digest of the tokens before the response."""
    first = record.examples[0]
    return hashlib.sha256(first.tokens[: int(first.is_learned.argmax())].tobytes()).digest()


def merged(records: Sequence[Compared]) -> Compared:
    """Return the records of one prompt as one: responses of different records are not compared. Pure."""
    ranks: list[tuple[int, int]] = []
    for record in records:
        first = max((comparison for comparison, _ in ranks), default=-1) + 1
        ranks += [(first + comparison, rank) for comparison, rank in record.ranks]
    return Compared([example for record in records for example in record.examples], ranks)
