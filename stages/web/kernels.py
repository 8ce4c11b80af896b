"""`kernel`: the decorator of the functions that numba compiles, and the place where what it compiled is kept.

numba keeps machine code beside the source, or by the path of the source. A run's code is a copy in a folder of its own,
so every run would compile again, for seconds in every process. Here the place is named by the content of the sources.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import UserWideCacheLocator

from stages.web.blocklist import cache_folder


class ContentCacheLocator(UserWideCacheLocator):  # type: ignore[misc]
    """Keeps machine code in the cache folder, under a digest of all sources beside the function's own.

    All of them, because a kernel has those that it calls compiled into it.
    """

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = str(cache_folder() / "numba" / sources_digest(Path(py_file).parent))


@functools.lru_cache
def sources_digest(folder: Path) -> str:
    """Return a digest of the Python sources in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


# Read by numba when a function is decorated; the second is for a cache folder that cannot be written.
numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{ContentCacheLocator.__name__},UserWideCacheLocator"

kernel = functools.partial(numba.njit, cache=True)
"""Decorator `@kernel`, or `@kernel(signature)`: compile on first use, or load what an earlier process compiled."""
