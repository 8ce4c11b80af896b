"""The block list of 4.6 million domains as one sorted array of hashes in a file that all processes of a node share.

The list is UT1 (University of Toulouse), which the datatrove wheel carries; it has a licence of its own and is read
from there, never copied into this repository. datatrove's own filter holds it as 660 MB of strings per process; this
file is 37 MB, mapped, and takes seconds to build once.
"""

from __future__ import annotations

import os
import tarfile
from bisect import bisect_left
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import xxhash

from stages.shared.errors import DataError

ASSET = "assets/url_filterblacklistsv0_3_0.tar.gz"
MEMBERS = ("domains", "urls")
FORMAT = 2
"""Raised when what is hashed changes, so that a file of an earlier make is not taken for it."""


class HashSet:
    """A set of strings of which only 64-bit hashes are kept, sorted. A wrong hit has odds of one in 10^12."""

    def __init__(self, path: Path) -> None:
        self._hashes = memoryview(np.memmap(path, dtype="<u8", mode="r"))  # twice as fast as the array, one at a time

    def __contains__(self, text: str) -> bool:
        wanted = _hash(text)
        place = bisect_left(self._hashes, wanted)
        return place < len(self._hashes) and self._hashes[place] == wanted

    def __len__(self) -> int:
        return len(self._hashes)


def ut1(work: Path) -> HashSet:
    """Return the UT1 list, built on first use in the user's cache folder, or in `work` if that cannot be written.

    Safe when many processes call it at once: each builds its own file, with equal bytes, and the first one stays.
    """
    archive = Path(str(files("datatrove"))) / ASSET
    if not archive.is_file():
        remedy = "Install the datatrove version of envs/requirements/web.txt, or set web.url.domains=none"
        raise DataError(archive, "no block list", remedy)
    name = f"ut1-{FORMAT}-datatrove-{version('datatrove')}-{archive.stat().st_size}.u64"
    for folder in (cache_folder(), work):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / name).exists():
                _build(archive, folder / name)
            return HashSet(folder / name)
        except OSError:
            if folder == work:
                raise
    raise AssertionError("unreachable: work either holds the list or raises")


def cache_folder() -> Path:
    """Return the folder for what can be made again: $STAGECOACH_CACHE, else the user's cache folder."""
    if own := os.environ.get("STAGECOACH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stagecoach"


def _build(archive: Path, path: Path) -> None:
    hashes = np.unique(np.fromiter(_hashes(archive), dtype="<u8"))
    aside = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.tmp")
    try:
        with aside.open("wb") as file:
            hashes.tofile(file)
            file.flush()
            os.fsync(file.fileno())
        _put(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _put(aside: Path, path: Path) -> None:
    """Give a finished file its name, unless another process was first: that one may be mapped already.

    On NFS, a file that another node replaces is gone for those who have it mapped.
    """
    try:
        os.link(aside, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        aside.replace(path)


def _hashes(archive: Path) -> Iterator[int]:
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if Path(member.name).name in MEMBERS and (lines := tar.extractfile(member)):
                for line in lines:
                    if entry := line.strip().rstrip(b"/").lower():  # as the filter asks: without a slash at the end
                        yield xxhash.xxh3_64_intdigest(entry)


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", errors="replace"))
