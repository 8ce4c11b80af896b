"""The `signatures` step: the MinHash signature of every filtered page of a shard.

It stands apart from `filter` so that another preset or seed does not extract the pages again. A shard's folder holds
`bands.npy` (uint64, buckets x pages) and `pages.npy` (uint64, 2 x pages: a hash of the whole text, its word count).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from stages.shared.contract import Task, shard_dir
from stages.shared.documents import DOCUMENTS, read_documents
from stages.web.config import WebConfig
from stages.web.minhash import MinHash, shingles
from stages.web.words import words

BANDS = "bands.npy"
PAGES = "pages.npy"


def run(task: Task) -> dict[str, Any]:
    """Sign one shard's pages."""
    config: WebConfig = task.config
    minhash = MinHash(*config.dedup.shape, config.dedup.seed)
    columns = [np.empty((config.dedup.shape[0], 0), dtype=np.uint64)]
    pages = []
    for count, document in enumerate(read_documents(shard_dir(task.steps["filter"], task.shard) / DOCUMENTS), start=1):
        text = document["text"]
        columns.append(minhash.bands(shingles(text, config.dedup.ngram))[:, None])
        pages.append((xxhash.xxh3_64_intdigest(" ".join(text.split())), len(words(text))))
        task.progress(count)
    np.save(task.out / BANDS, np.concatenate(columns, axis=1), allow_pickle=False)
    np.save(task.out / PAGES, np.array(pages, dtype=np.uint64).reshape(-1, 2).T, allow_pickle=False)
    return {"pages": len(pages)}


def open_shards(step_dir: Path, name: str) -> list[np.ndarray[Any, np.dtype[np.uint64]]]:
    """Return the arrays of all shards in order, mapped rather than read."""
    shards = sorted((step_dir / "shards").iterdir(), key=lambda shard: int(shard.name))
    return [np.load(shard / name, mmap_mode="r", allow_pickle=False) for shard in shards]
