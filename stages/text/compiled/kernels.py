"""`kernel`: the decorator of functions that numba compiles, and the cache of their machine code.

numba stores machine code beside the source, or by the path of the source. A run's code is a copy in a folder of its
own, so every run would compile again, for seconds in every process. This cache is named by the content of the sources.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import UserWideCacheLocator

from stages.text.compiled.cache import cache_folder

ROOM = Path(__file__).parents[1]
"""stages/text: its kernels call each other across folders."""

F = TypeVar("F", bound=Callable[..., Any])


class ContentCacheLocator(UserWideCacheLocator):
    """Stores machine code in the cache folder, under a digest of all sources that it may be compiled from."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)  # type: ignore[no-untyped-call]  # numba has no types here
        self._cache_path = str(cache_folder() / "numba" / kernel_digest(Path(py_file)))


def kernel_digest(file: Path) -> str:
    """Return a digest of the sources that the kernels of a file may be compiled from.

    A kernel contains the kernels that it calls: those of stages/text, and those of its own folder if it is elsewhere.
    """
    room = sources_digest(ROOM)
    return room if file.is_relative_to(ROOM) else f"{room}-{sources_digest(file.parent)}"


@functools.lru_cache
def sources_digest(folder: Path) -> str:
    """Return a digest of the Python sources in a folder and all folders below it."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


# numba reads this when a function is decorated. The second locator is for a cache folder that cannot be written; of a
# user without a home it would make a folder called ~.
HAS_HOME = os.path.expanduser("~") != "~"  # noqa: PTH111  (pathlib raises an error there)
LOCATORS = [f"{__name__}.{ContentCacheLocator.__name__}", *(["UserWideCacheLocator"] if HAS_HOME else [])]
setattr(  # noqa: B010 - numba reads its environment into this module: no type knows the attribute
    numba.config, "CACHE_LOCATOR_CLASSES", ",".join(LOCATORS)
)


def kernel(function: F) -> F:
    """Return the function compiled: on its first call, or loaded from what an earlier process compiled."""
    try:
        return cast(F, numba.njit(cache=True)(function))
    except RuntimeError:  # no folder can hold the machine code
        return cast(F, numba.njit()(function))
