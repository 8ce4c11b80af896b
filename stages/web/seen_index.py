"""The index of a run: `index.npz` holds what the run kept, so that a later run can drop it (`seen`).

NumPy opens the file too. `bands` (uint64, rows x pages, each row sorted by itself) has the signatures of the pages that
became documents, `urls` (uint64, sorted) the hashes of their URLs. `made.json` has the settings of
the signatures (seen_settings.py).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from stages.shared.contract import InputFile
from stages.text.compiled.arrays import U64, Flags
from stages.text.dedup.disk_arrays import NUMBER
from stages.text.settings import DedupSettings
from stages.web.seen_settings import MADE, made_by, not_an_index


@dataclass(frozen=True)
class SeenIndex:
    """The pages that earlier runs kept. Arrays are mapped, one for each run."""

    bands: tuple[U64, ...] = ()
    """Signatures, rows x pages, each row sorted by itself."""
    urls: tuple[U64, ...] = ()
    """Hashes of the URLs (`page_hashes.url_hash`), sorted, each once."""

    def knows_urls(self, hashes: U64) -> Flags:
        """Return for each hash of a URL whether an earlier run kept a page of that URL."""
        found = np.zeros(len(hashes), bool)
        for urls in self.urls:
            if len(urls):
                found |= urls[np.minimum(np.searchsorted(urls, hashes), len(urls) - 1)] == hashes
        return found


def write_index(path: Path, settings: DedupSettings, urls: U64, row: Callable[[int], U64]) -> None:
    """Write the index of a run: the URL hash of each kept page, and `row(n)`, one row of their signatures."""
    num_rows = settings.num_rows if settings.enabled else 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(MADE), json.dumps(made_by(settings), sort_keys=True))
        different = np.unique(urls)
        with _member(archive, "urls", different.shape) as file:
            file.write(different.data)
        with _member(archive, "bands", (num_rows, len(urls))) as file:
            for number in range(num_rows):
                file.write(np.sort(row(number)).data)


def open_index(files: Sequence[InputFile]) -> SeenIndex:
    """Return the indexes of earlier runs, mapped. Raises DataError for another kind of file."""
    opened = [_open(file.path) for file in files]
    return SeenIndex(bands=tuple(bands for bands, _ in opened), urls=tuple(urls for _, urls in opened))


def _member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> IO[bytes]:
    """Open an array of the archive for writing, after its header. A ZipInfo of its own has a fixed date."""
    file = archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)
    npy.write_array_header_1_0(file, {"descr": NUMBER.str, "fortran_order": False, "shape": shape})
    return file


def _open(path: Path) -> tuple[U64, U64]:
    try:
        with zipfile.ZipFile(path) as archive:
            return _map(archive, path, "bands"), _map(archive, path, "urls")
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise not_an_index(path, error) from error


def _map(archive: zipfile.ZipFile, path: Path, name: str) -> U64:
    """Return an array of the archive, mapped in place: members are stored, not compressed."""
    info = archive.getinfo(f"{name}.npy")
    with path.open("rb") as file:
        # A member follows 30 bytes, its name and an extra field. The lengths of both are the last four of the 30 bytes.
        file.seek(info.header_offset + 26)
        lengths = np.frombuffer(file.read(4), "<u2")
        file.seek(info.header_offset + 30 + int(lengths.sum()))
        npy.read_magic(file)
        shape, _, dtype = npy.read_array_header_1_0(file)
        if dtype != NUMBER or info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is not stored as uint64")
        start = file.tell()
    if 0 in shape:
        return np.empty(shape, np.uint64)
    mapped: U64 = np.memmap(path, NUMBER, "r", start, shape)
    return mapped
