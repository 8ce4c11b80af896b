"""The block that writes documents, and the one that reads them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.formats.documents import DocumentWriter, read_documents
from stages.web.rejects import to_row

Progress = Callable[[int], None]


class WriteDocuments(PipelineStep):
    """Writes every document that arrives, in the documents format, and passes it on."""

    name = "write"
    type = "💽 - WRITER"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Write and yield the documents."""
        with DocumentWriter(self.path) as writer:
            for doc in data:
                writer.write(to_row(doc))
                yield doc


class ReadDocuments(PipelineStep):
    """Yields the documents of a file with one row of measures each, as `extract` stored them."""

    name = "stored"
    type = "📖 - READER"

    def __init__(
        self, path: Path, measures: Sequence[Any], progress: Callable[[int], None] = lambda done: None
    ) -> None:
        super().__init__()
        self.path = path
        self.measures = measures
        self.progress = progress

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield what the blocks before yield, then the stored documents."""
        if data:
            yield from data
        for count, row in enumerate(read_documents(self.path)):
            measures = self.measures[count]
            metadata = {name: value for name, value in row.items() if name not in ("id", "text")}
            metadata |= {"measures": measures, "token_count": int(measures["tokens"])}
            yield Document(text=row["text"], id=row["id"], metadata=metadata)
            self.progress(count + 1)
