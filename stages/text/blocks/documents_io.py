"""The blocks that write documents and read them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.formats.documents import DocumentWriter, read_documents
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import to_row
from stages.text.compiled.arrays import Records
from stages.text.words.tokens import count_tokens


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
    """Yields the documents of a file with their numbers in it, their token counts and, if given, their measures."""

    name = "stored"
    type = "📖 - READER"

    def __init__(
        self, path: Path, measures: Records | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> None:
        """Take the file and one row of measures for each of its documents."""
        super().__init__()
        self.path = path
        self.measures = measures
        self.progress = progress

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield the documents of the blocks before, then the stored ones."""
        if data:
            yield from data
        for number, row in enumerate(read_documents(self.path)):
            text, name = row.pop("text"), row.pop("id")
            doc = Document(text=text, id=name, metadata=row)
            page = page_data(doc)
            page["number"] = number
            if self.measures is None:
                page["token_count"] = count_tokens(text)
            else:
                page["measures"] = self.measures[number]
                page["token_count"] = int(self.measures[number]["tokens"])
            yield doc
            self.progress(number + 1)
