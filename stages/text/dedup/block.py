"""The block that signs documents, and the choice between MinHash and SimHash."""

from __future__ import annotations

from pathlib import Path

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.text.dedup.disk_arrays import ColumnsWriter
from stages.text.dedup.minhash import MinHash
from stages.text.dedup.simhash import SimHash
from stages.text.settings import DedupSettings
from stages.text.words.tokens import word_hashes

Method = MinHash | SimHash


def make_method(settings: DedupSettings) -> Method:
    """Return the method that signs the pages and compares the signatures."""
    if settings.method == "minhash":
        return MinHash(*settings.shape, settings.ngram, settings.seed)
    blocks = settings.simhash_blocks or settings.simhash_distance + 1
    return SimHash(settings.simhash_distance, blocks, settings.simhash_ngram, settings.seed)


class Signatures(PipelineStep):
    """Writes the signature of every document into one file (uint64, rows x pages), and passes the document on."""

    name = "signatures"
    type = "🫂 - DEDUP"

    def __init__(self, path: Path, method: Method) -> None:
        super().__init__()
        self.path = path
        self.method = method

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Sign and yield the documents. The file is complete after the last one."""
        with ColumnsWriter(self.path, self.method.num_rows) as signatures:
            for doc in data:
                signatures.add(self.method.sign(word_hashes(doc.text)))
                yield doc
