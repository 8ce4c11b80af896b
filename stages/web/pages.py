"""What the deduplication steps know of each filtered page, without its text: `pages.npy`, one row a page.

Pages are numbered over all units of the `filter` step in order: the page's global number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

PAGES = "pages.npy"
STARTS = "starts.npy"
NUMBERING = ("cluster", "substrings", "urls")
"""Steps that read the pages of all units, and write how they are numbered."""

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


def number_pages(steps: Mapping[str, Sequence[Path]], out: Path) -> list[int]:
    """Return `first_numbers` and leave it in the folder of a step, for those after it."""
    starts = first_numbers(steps)
    np.save(out / STARTS, np.array(starts, dtype=np.uint64), allow_pickle=False)
    return starts


def first_numbers(steps: Mapping[str, Sequence[Path]]) -> list[int]:
    """Return the global number of each unit's first page, and last the number of all pages.

    Takes the folders of earlier steps. The units of `filter` are read only where no earlier step has numbered the
    pages: each of 90,000 units would open 90,000 files.
    """
    for name in NUMBERING:
        if name in steps:
            found: list[int] = np.load(steps[name][0] / STARTS, allow_pickle=False).tolist()
            return found
    starts = [0]
    for unit in steps["filter"]:
        starts.append(starts[-1] + len(np.load(unit / PAGES, mmap_mode="r", allow_pickle=False)))
    return starts
