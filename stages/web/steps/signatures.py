"""The `signatures` step: the MinHash or SimHash signature of every filtered page of a unit.

It is separate from `filter`, so that another preset or seed does not filter the pages again. Writes the artifact BANDS
(uint64, rows x pages): of MinHash a row for each bucket, of SimHash one row.
"""

from __future__ import annotations

from typing import Any

from datatrove.data import Document

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.text.dedup.block import Signatures, make_method
from stages.web.artifacts import BANDS
from stages.web.config import WebConfig


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Sign one unit's pages."""
    rows = read_documents(task.fellows["filter"] / KINDS.documents.file)
    block = Signatures(task.out / BANDS, make_method(task.config.dedup))
    count = 0
    for _ in block.run(Document(text=row["text"], id=row["id"]) for row in rows):
        count += 1
        task.progress(count)
    return {"pages": count}
