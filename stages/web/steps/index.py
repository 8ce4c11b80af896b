"""The `index` step: writes the index of the kept pages (seen_index.py), so that a later run can drop them."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.text.compiled.arrays import U64
from stages.text.dedup.disk_arrays import Rows
from stages.web.artifacts import BANDS, KEPT, PAGES
from stages.web.config import WebConfig
from stages.web.seen_index import write_index


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Gather the signatures and URLs of all documents. Memory: 16 bytes a document."""
    kept = [KEPT.load(folder) for folder in task.steps["documents"]]
    signed = [Rows(folder / BANDS) for folder in task.steps.get("signatures", ())]
    units = zip(task.steps["filter"], kept, strict=True)
    urls = np.concatenate([PAGES.load(folder)["url"][chosen] for folder, chosen in units])

    def row(number: int) -> U64:
        task.progress(number + 1)
        parts = [unit.read(number)[chosen] for unit, chosen in zip(signed, kept, strict=True)]
        return np.concatenate([np.empty(0, np.uint64), *parts])

    write_index(task.out / KINDS.index.file, task.config.dedup, urls, row)
    return {"documents": len(urls)}
