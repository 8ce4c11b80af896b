"""Encodes one file of documents as one part of a dataset, without the held-out documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.formats.documents import DocumentWriter, read_documents
from stages.formats.heldout import is_heldout
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.shared.errors import DataError
from stages.shared.files import write_json
from stages.shared.task import Task
from stages.tokens.config import TokensConfig
from stages.tokens.encoders import choose_encoder
from stages.tokens.indexed import DatasetWriter

PART = "part.bin"
PART_COUNTS = "counts.json"
BATCH = 1 << 20
"""Characters that are encoded at once, or one document if it is longer."""


def run(task: Task[TokensConfig]) -> dict[str, Any]:
    """Write the part, the held-out documents and the counts into task.out; return the counts."""
    file, model = task.inputs["documents"][0].path, task.inputs["tokenizer"][0].path
    tokenizer = Tokenizer(model)
    encoder = choose_encoder(model, tokenizer, file.stat().st_size / 1e6)
    dataset = DatasetWriter(task.out / PART, tokenizer.vocab_size)
    with dataset as part, DocumentWriter(task.out / KINDS.heldout.file) as heldout:
        done = 0
        for documents in _batches(file):
            texts = []
            for document in documents:
                if is_heldout(document["id"], task.config.heldout):
                    heldout.write(document)
                else:
                    texts.append(document["text"])
            ids, sizes = encoder.encode_batch(texts, tokenizer.eos_id)
            end = 0
            for size in sizes.tolist():
                part.write(ids[end : end + size])
                end += size
            done += len(documents)
            task.progress(done)
    counts = {"documents": part.documents, "tokens": part.tokens, "heldout_documents": heldout.count}
    write_json(task.out / PART_COUNTS, {"vocab_size": tokenizer.vocab_size, **counts})
    return counts


def _batches(file: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield the documents of a file, some at a time. Raises DataError at one without an id."""
    batch: list[dict[str, Any]] = []
    characters = 0
    for number, document in enumerate(read_documents(file), start=1):
        if not isinstance(document.get("id"), str):
            raise DataError(file, "a document without an id", "Write a string `id` on every line", number)
        batch.append(document)
        characters += len(document["text"])
        if characters >= BATCH:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
