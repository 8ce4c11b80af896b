"""Joins the parts of each source to one dataset, and all held-out documents to one file, in order of unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.formats.documents import DocumentWriter, read_documents
from stages.formats.kinds import KINDS
from stages.formats.token_counts import FIELDS, Counts, write_token_counts
from stages.shared.files import read_json
from stages.shared.task import Task
from stages.tokens.config import TokensConfig, dataset_name
from stages.tokens.encode import PART, PART_COUNTS
from stages.tokens.indexed import DatasetWriter
from stages.tokens.shuffling import write_shuffled


def run(task: Task[TokensConfig]) -> dict[str, Any]:
    """Write the datasets, the held-out documents and the counts into task.out; return the totals."""
    by_source: dict[str, list[Path]] = {}
    for file, part in zip(task.inputs["documents"], task.steps["encode"], strict=True):
        by_source.setdefault(file.source, []).append(part)
    counts: Counts = {}
    for source, parts in by_source.items():
        entries = [read_json(part / PART_COUNTS) for part in parts]
        counts[source] = {name: sum(entry[name] for entry in entries) for name in FIELDS}
        with DatasetWriter(task.out / dataset_name(source), entries[0]["vocab_size"]) as dataset:
            if task.config.shuffle is None:
                for part in parts:
                    dataset.append(part / PART)
            else:
                write_shuffled(dataset, [part / PART for part in parts], f"{task.config.shuffle}/{source}")
    with DocumentWriter(task.out / KINDS.heldout.file) as heldout:
        for parts in by_source.values():
            for part in parts:
                for document in read_documents(part / KINDS.heldout.file):
                    heldout.write(document)
    write_token_counts(task.out / KINDS.token_counts.file, counts)
    return {name: sum(entry[name] for entry in counts.values()) for name in FIELDS}
