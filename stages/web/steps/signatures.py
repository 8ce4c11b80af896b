"""The `signatures` step: the MinHash or SimHash signature of every filtered page of a unit.

It stands apart from `filter` so that another preset or seed does not filter the pages again. A unit's folder holds
`bands.npy` (uint64, rows x pages): of MinHash a row for each bucket, of SimHash one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.web.arrays import ColumnsWriter
from stages.web.config import WebConfig
from stages.web.minhash import MinHash
from stages.web.near import make_method
from stages.web.simhash import SimHash
from stages.web.words import word_hashes

BANDS = "bands.npy"


class Signatures(PipelineStep):
    """Writes the signature of every document that arrives into one file, and passes the document on."""

    name = "signatures"
    type = "🫂 - DEDUP"

    def __init__(self, path: Path, method: MinHash | SimHash) -> None:
        super().__init__()
        self.path = path
        self.method = method

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Sign and yield the documents. The file is there after the last one."""
        with ColumnsWriter(self.path, self.method.num_rows) as bands:
            for doc in data:
                bands.add(self.method.sign(word_hashes(doc.text)))
                yield doc


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Sign one unit's pages."""
    config = task.config
    block = Signatures(task.out / BANDS, make_method(config.dedup))
    count = 0
    for _ in block.run(_documents(task.fellows["filter"] / KINDS.documents.file)):
        count += 1
        task.progress(count)
    return {"pages": count}


def _documents(path: Path) -> Iterator[Document]:
    for row in read_documents(path):
        yield Document(text=row["text"], id=row["id"])
