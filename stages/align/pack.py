"""Packs the compared responses of each source into rows, and counts what became of its prompts."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from stages.align.comparisons import HELD_OUT_IN, ComparisonStage, rows_name
from stages.align.encode import COMPARED, COUNTS, DEMONSTRATIONS, HELDOUT
from stages.align.packing import best_fit
from stages.formats.chat.compared import Compared, ComparedRows, ComparedWriter
from stages.formats.chat.packing import PackedSource, Packing, write_packing
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError
from stages.shared.files import read_json
from stages.shared.task import Task


def run(task: Task[ComparisonStage]) -> dict[str, Any]:
    """Write the rows of each source, those of demonstrations and the report into task.out; return the fill rates.

    Raises DataError for a source without a prompt that can be learned from.
    """
    parts = task.steps["encode"]
    learned, held_out = (_by_source(task, fields) for fields in ((task.config.data,), HELD_OUT_IN))
    capacity, vocab_size = task.config.model.seq_len, read_json(parts[0] / COUNTS)["vocab_size"]

    def write(found: Sequence[Path], part: str, name: str) -> ComparedWriter:
        return _write([each / part for each in found], task.out / name, capacity, vocab_size)

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
    counts: list[Mapping[str, Any]] = [read_json(part / COUNTS) for part in parts]
    reasons: Counter[str] = sum((Counter(each["counts"]) for each in counts), Counter())
    prompts = sum(each["prompts"] for each in counts)
    if not rows.rows:
        problem = f"none of {prompts:,} prompts of source {source!r} can be learned from ({dict(reasons)})"
        raise DataError(parts[0], problem, "Read rejects.json there, mend the preferences, or leave the source out")
    return PackedSource(
        chats=prompts,
        examples=rows.examples,
        rows=rows.rows,
        tokens=rows.tokens,
        learned=rows.learned,
        heldout_examples=held_out.examples,
        heldout_rows=held_out.rows,
        heldout_tokens=held_out.tokens,
        lost_tokens=sum(each["tokens_read"] - each["tokens_kept"] for each in counts),
        counts=dict(sorted(reasons.items())),
    )


def _write(parts: Sequence[Path], path: Path, capacity: int, vocab_size: int) -> ComparedWriter:
    """Write the rows of the prompts of all parts; return the writer for its counts."""
    files = [ComparedRows(part) for part in parts]
    starts = [0, *accumulate(len(file) for file in files)]

    def record(number: int) -> Compared:
        file = bisect_right(starts, number) - 1
        return files[file].prompt(number - starts[file])

    prompts = _by_prompt(map(record, range(starts[-1])), capacity)
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
