"""The `documents` step: what a unit's filtered pages are after deduplication, the whole funnel, a sample of rejects.

The gates come in the paper's order (arXiv:2306.01116, figure 2): near duplicates, exact substrings, addresses seen, and
language where it stands after deduplication. A step that is switched off is not in the funnel. `kept.npy` (uint64) has
the places, in the unit's filtered pages, of those that became documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.formats.documents import read_documents
from stages.formats.funnel import read_funnel, write_funnel
from stages.formats.kinds import KINDS
from stages.formats.tables import read_tables
from stages.shared.task import Task
from stages.web.blocks import Gate, set_text, step_count
from stages.web.config import WebConfig
from stages.web.cut import NUMBER, SubstringCut
from stages.web.executor import run_pipeline
from stages.web.language import LanguageFilter
from stages.web.pages import first_numbers
from stages.web.rejects import Rejects
from stages.web.spans import by_document
from stages.web.steps.cluster import REMOVED, reasons
from stages.web.steps.extract import host
from stages.web.steps.index import KEPT
from stages.web.steps.substrings import RANGES, of_part, rows_between, short_numbers
from stages.web.steps.urls import LATER
from stages.web.words import split
from stages.web.writer import WriteDocuments


class Listed(Gate):
    """Drops the documents that an earlier step has listed, by their place in the metadata, each with its reason."""

    def __init__(self, name: str, reasons: Mapping[int, str], rejects: Rejects | None = None) -> None:
        self.name = name
        super().__init__(rejects)
        self.reasons = reasons

    def reason(self, doc: Document) -> str | None:
        """Return the reason that the list gives."""
        return self.reasons.get(doc.metadata[NUMBER])


class Numbered(PipelineStep):
    """Yields the documents of a file, each with its place in the file."""

    name = "numbered"
    type = "📖 - READER"

    def __init__(self, path: Path, progress: Callable[[int], None]) -> None:
        super().__init__()
        self.path = path
        self.progress = progress

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield the documents in order."""
        for number, row in enumerate(read_documents(self.path)):
            metadata = {name: value for name, value in row.items() if name not in ("id", "text")}
            doc = Document(text="", id=row["id"], metadata={**metadata, NUMBER: number})
            set_text(doc, row["text"], len(split(row["text"]).starts))
            yield doc
            self.progress(number + 1)


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Write one unit's documents.jsonl.zst, rejects.jsonl.zst, funnel.json, tables.json and kept.npy."""
    config = task.config
    source = task.fellows["filter"]
    rejects = Rejects(config.rejects_per_reason)
    for row in read_documents(source / KINDS.rejects.file):
        rejects.add(row["step"], row["reason"], row)
    gates = make_gates(task, rejects)
    kept = _Kept(task)
    reader = Numbered(source / KINDS.documents.file, task.progress)
    run_pipeline([reader, *gates, kept, WriteDocuments(task.out / KINDS.documents.file)], task.work)
    np.save(task.out / KEPT, np.array(kept.numbers, dtype=np.uint64), allow_pickle=False)
    kept.tables.write(task.out / KINDS.tables.file)
    rejects.write(task.out / KINDS.rejects.file)
    funnel = [*read_funnel(source / KINDS.funnel.file), *map(step_count, gates)]
    write_funnel(task.out / KINDS.funnel.file, funnel)
    last = funnel[-1]
    return {"pages_in": funnel[0].pages_in, "documents": last.pages_out, "bytes": last.bytes, "tokens": last.tokens}


def make_gates(task: Task[WebConfig], rejects: Rejects | None = None) -> Sequence[PipelineStep]:
    """Return what may still drop or change a page, each a step of the funnel."""
    config, starts = task.config, first_numbers(task.steps) if task.steps else []
    gates: list[PipelineStep] = []
    if config.dedup.enabled:
        gates.append(Listed("dedup", duplicates(task, starts), rejects))
    if config.exact.enabled:
        short = short_numbers(task, starts, task.place).astype(np.int64) - starts[task.place]
        gates.append(SubstringCut(cut_ranges(task, starts), set(short.tolist()), rejects))
    if config.url_dedup.enabled:
        gates.append(Listed("urls", seen_addresses(task, starts), rejects))
    if config.language.position == "after":
        gates.append(LanguageFilter(config.language, rejects=rejects))
    return gates


def duplicates(task: Task[WebConfig], starts: Sequence[int]) -> dict[int, str]:
    """Return the reason for each page of this unit that another page stands for, by its place in the unit."""
    removed = np.load(task.steps["cluster"][0] / REMOVED, mmap_mode="r", allow_pickle=False)
    rows = rows_between(removed, starts[task.place], starts[task.place + 1])
    return dict(zip((rows[:, 0].astype(np.int64) - starts[task.place]).tolist(), reasons(rows), strict=True))


def cut_ranges(task: Task[WebConfig], starts: Sequence[int]) -> dict[int, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the ranges to cut, rows (first token, end), of each page of this unit that has any, by its place."""
    start, end = starts[task.place], starts[task.place + 1]
    found = rows_between(of_part(task, task.place, RANGES), start, end).astype(np.int64)
    return {number - start: ranges for number, ranges in by_document(found).items()}


def seen_addresses(task: Task[WebConfig], starts: Sequence[int]) -> dict[int, str]:
    """Return the reason for each page of this unit whose address an earlier page has, by its place in the unit."""
    later = np.load(task.steps["urls"][0] / LATER, mmap_mode="r", allow_pickle=False)
    rows = rows_between(later, starts[task.place], starts[task.place + 1])
    return dict.fromkeys((rows[:, 0].astype(np.int64) - starts[task.place]).tolist(), "seen_url")


class _Kept(PipelineStep):
    """Notes which pages became documents, and counts them by host and language."""

    name = "kept"
    type = "kept"

    def __init__(self, task: Task[WebConfig]) -> None:
        super().__init__()
        self.numbers: list[int] = []
        self.tables = read_tables(task.fellows["extract"] / KINDS.tables.file)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for doc in data:
            self.numbers.append(doc.metadata[NUMBER])
            self.tables.kept(host(doc), doc.metadata["language"], doc.metadata["bytes"], doc.metadata["token_count"])
            yield doc
