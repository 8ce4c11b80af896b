"""The `documents` step: a shard's filtered pages without duplicates, its whole funnel and a sample of its rejects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stages.shared.contract import Task, shard_dir
from stages.shared.documents import DOCUMENTS, REJECTS, DocumentWriter, read_documents
from stages.shared.funnel import FUNNEL, StepCount, read_funnel, write_funnel
from stages.web.config import WebConfig
from stages.web.rejects import Rejects
from stages.web.steps.cluster import REMOVED
from stages.web.steps.signatures import PAGES, open_shards
from stages.web.words import tokens

DEDUP = "dedup"


def run(task: Task) -> dict[str, Any]:
    """Write one shard's documents.jsonl.zst, rejects.jsonl.zst and funnel.json."""
    config: WebConfig = task.config
    source = shard_dir(task.steps["filter"], task.shard)
    rejects = Rejects(config.rejects_per_reason)
    for row in read_documents(source / REJECTS):
        rejects.add(row["step"], row["reason"], row)
    reasons = duplicates(task) if config.dedup.enabled else {}
    count = StepCount(DEDUP)
    with DocumentWriter(task.out / DOCUMENTS) as writer:
        for number, document in enumerate(read_documents(source / DOCUMENTS)):
            count.pages_in += 1
            if reason := reasons.get(number):
                count.reasons[reason] = count.reasons.get(reason, 0) + 1
                rejects.add(DEDUP, reason, document)
            else:
                writer.write(document)
                count.bytes += len(document["text"].encode("utf-8"))
                count.tokens += len(tokens(document["text"]))
            task.progress(count.pages_in)
        count.pages_out = writer.count
    rejects.write(task.out / REJECTS)
    funnel = read_funnel(source / FUNNEL)
    write_funnel(task.out / FUNNEL, [*funnel, count] if config.dedup.enabled else funnel)
    return {"pages_in": funnel[0].pages_in, "documents": count.pages_out, "bytes": count.bytes, "tokens": count.tokens}


def duplicates(task: Task) -> dict[int, str]:
    """Return the reason for each page of this shard that another page stands for, by its number in the shard."""
    sizes = [pages.shape[1] for pages in open_shards(task.steps["signatures"], PAGES)]
    start = sum(sizes[: task.shard])
    removed = np.load(_removed(task.steps["cluster"]), mmap_mode="r", allow_pickle=False)
    low, high = np.searchsorted(removed[:, 0], np.array([start, start + sizes[task.shard]], dtype=np.uint64))
    return {
        int(page) - start: "exact_duplicate" if is_equal else "near_duplicate"
        for page, _, is_equal in removed[low:high]
    }


def _removed(step_dir: Path) -> Path:
    return shard_dir(step_dir, 0) / REMOVED
