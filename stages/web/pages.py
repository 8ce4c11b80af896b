"""What the deduplication steps know of each filtered page, without its text: `pages.npy`, one row a page.

Pages are numbered over all shards of the `filter` step in order: the page's global number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xxhash

PAGES = "pages.npy"

PAGE = np.dtype([("url", "<u8"), ("text", "<u8"), ("words", "<u4"), ("strain", "<f4")])
"""Hash of the address, hash of the whole text, number of words, and how near the page is to its nearest threshold
(0 far .. 1 at it)."""

Pages = np.ndarray[Any, np.dtype[Any]]


def url_hash(url: str) -> int:
    """Return the hash by which two captures of one address are known: without scheme, `www.`, fragment, final slash."""
    name = url.partition("#")[0].partition("://")[2].lower().removeprefix("www.").rstrip("/")
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", errors="replace"))


def text_hash(text: str) -> int:
    """Return the hash by which equal texts are known; white space does not count."""
    return xxhash.xxh3_64_intdigest(" ".join(text.split()).encode("utf-8", errors="replace"))


def open_shards(step_dir: Path, name: str) -> list[np.ndarray[Any, Any]]:
    """Return an array file of all shards of a step in order, mapped rather than read."""
    shards = sorted((step_dir / "shards").iterdir(), key=lambda shard: int(shard.name))
    return [np.load(shard / name, mmap_mode="r", allow_pickle=False) for shard in shards]


def first_numbers(step_dir: Path) -> list[int]:
    """Return the global number of each shard's first page, and last the number of all pages."""
    starts = [0]
    for pages in open_shards(step_dir, PAGES):
        starts.append(starts[-1] + len(pages))
    return starts
