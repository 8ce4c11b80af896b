"""Blocks that pass documents on with all their fields, and what runs the gates of one file between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.formats.documents import DocumentWriter, read_documents
from stages.formats.funnel import Funnel, write_funnel
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError
from stages.text.blocks.executor import run_pipeline
from stages.text.blocks.gate import Gate, step_count
from stages.text.blocks.rejects import Rejects

INTERNAL = frozenset({"bytes", "token_count", "number", "measures", "filter_reason"})
"""Keys of the metadata that are no fields of a document."""


class ReadRows(PipelineStep):
    """Yields the documents of a file, their fields as metadata. Raises DataError at one without an id."""

    name = "stored"
    type = "📖 - READER"

    def __init__(self, path: Path, progress: Callable[[int], None] = lambda done: None) -> None:
        super().__init__()
        self.path = path
        self.progress = progress

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield the documents of the blocks before, then the stored ones."""
        if data:
            yield from data
        for number, row in enumerate(read_documents(self.path), start=1):
            name = row.pop("id", None)
            if not isinstance(name, str):
                raise DataError(self.path, "a document without an id", "Write a string `id` on every line", number)
            yield Document(text=row.pop("text"), id=name, metadata=row)
            self.progress(number)


class WriteRows(PipelineStep):
    """Writes every document with all its fields, and passes it on."""

    name = "write"
    type = "💽 - WRITER"

    def __init__(self, path_of: Callable[[Document], Path], paths: Sequence[Path]) -> None:
        """Take what selects the file of a document, and all files: each is made, if only empty."""
        super().__init__()
        self.path_of = path_of
        self.paths = paths

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Write and yield the documents."""
        writers = {path: DocumentWriter(path) for path in self.paths}
        try:
            for doc in data:
                fields = {name: value for name, value in doc.metadata.items() if name not in INTERNAL}
                writers[self.path_of(doc)].write({**fields, "id": doc.id, "text": doc.text})
                yield doc
        finally:
            for writer in writers.values():
                writer.__exit__()


def filter_file(
    source: Path, out: Path, work: Path, gates: Callable[[Rejects], Sequence[Gate]], per_reason: int
) -> Funnel:
    """Pass a file of documents through gates, each a step of the funnel; return the funnel.

    Side effect: writes the documents that pass, samples of the others by reason, and the funnel into `out`.
    """
    rejects = Rejects(per_reason)
    blocks = gates(rejects)
    documents = out / KINDS.documents.file
    run_pipeline([ReadRows(source), *blocks, WriteRows(lambda doc: documents, [documents])], work)
    rejects.write(out / KINDS.rejects.file)
    funnel = [step_count(block) for block in blocks]
    write_funnel(out / KINDS.funnel.file, funnel)
    return funnel
