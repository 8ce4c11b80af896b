"""Encodes one file of documents as one part of a dataset, without the held-out documents."""

from __future__ import annotations

from typing import Any

from stages.formats.documents import DocumentWriter, read_documents
from stages.formats.heldout import is_heldout
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.shared.errors import DataError
from stages.shared.files import write_json
from stages.shared.task import Task
from stages.tokens.config import TokensConfig
from stages.tokens.indexed import DatasetWriter

PART = "part.bin"
PART_COUNTS = "counts.json"


def run(task: Task[TokensConfig]) -> dict[str, Any]:
    """Write the part, the held-out documents and the counts into task.out; return the counts."""
    file = task.inputs["documents"][0]
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    dataset = DatasetWriter(task.out / PART, tokenizer.vocab_size)
    with dataset as part, DocumentWriter(task.out / KINDS.heldout.file) as heldout:
        for number, document in enumerate(read_documents(file.path), start=1):
            if not isinstance(document.get("id"), str):
                raise DataError(file.path, "a document without an id", "Write a string `id` on every line", number)
            if is_heldout(document["id"], task.config.heldout):
                heldout.write(document)
            else:
                part.write([*tokenizer.encode(document["text"]), tokenizer.eos_id])
            task.progress(number)
    counts = {"documents": part.documents, "tokens": part.tokens, "heldout_documents": heldout.count}
    write_json(task.out / PART_COUNTS, {"vocab_size": tokenizer.vocab_size, **counts})
    return counts
