"""The block list of 4.6 million domains, as one sorted file of hashes that all processes of a node share.

The list is UT1 (University of Toulouse). It has a licence of its own, so it is read from the datatrove wheel and never
copied into this repository. datatrove's own filter holds it as 660 MB of strings per process; this file is 37 MB,
mapped, and takes seconds to build once.
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
from stages.text.compiled.cache import cache_folder

ASSET = "assets/url_filterblacklistsv0_3_0.tar.gz"
MEMBERS = ("domains", "urls")
FORMAT = 2
"""Raised when the hashed strings change, so that an earlier version's file is not used."""


class HashSet:
    """A set of strings, kept as sorted 64-bit hashes. A wrong hit has odds of one in 10^12."""

    def __init__(self, path: Path) -> None:
        # A memoryview reads single numbers twice as fast as the array.
        self._hashes = np.memmap(path, dtype="<u8", mode="r").data

    def __contains__(self, text: object) -> bool:
        wanted = _hash(str(text))
        place = bisect_left(self._hashes, wanted)
        return place < len(self._hashes) and self._hashes[place] == wanted

    def __len__(self) -> int:
        return len(self._hashes)


def ut1(work: Path) -> HashSet:
    """Return the UT1 list, built on first use in the user's cache folder, or in `work` if that cannot be written.

    Safe for many processes at once: each builds its own file, with equal bytes, and the first one stays.
    """
    archive = Path(str(files("datatrove"))) / ASSET
    if not archive.is_file():
        remedy = "Install the datatrove version of envs/requirements/web.txt, or set url.domains=none"
        raise DataError(archive, "the block list is missing", remedy)
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
    raise AssertionError("unreachable: work holds the list, or an error was raised")


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
    """Give a finished file its name, unless another process was first.

    The other process's file may be mapped already. On NFS, replacing it would break the mappings of other nodes.
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
                    if entry := line.strip().rstrip(b"/").lower():  # the filter looks up without a slash
                        yield xxhash.xxh3_64_intdigest(entry)


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", errors="replace"))
