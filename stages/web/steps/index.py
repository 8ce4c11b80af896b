"""The `index` step: what this run kept, so that a later run can leave it out (`web.seen`).

Writes one file, `index.npz`, that numpy opens too: `bands` (uint64, rows x pages, each row sorted by itself) holds the
signatures of the pages that became documents, `urls` (uint64, sorted) the hashes of their addresses, and `made.json`
the settings that made the signatures, because only equal ones can be compared.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.shared.task import Task
from stages.web.arrays import NUMBER, Rows
from stages.web.config import WebConfig
from stages.web.pages import PAGES
from stages.web.settings import DedupSettings
from stages.web.shingles import U64
from stages.web.steps.signatures import BANDS

KEPT = "kept.npy"
"""Written by `documents`: the places, within the unit of `filter`, of the pages that became documents."""
MADE = "made.json"
SIGNATURES_VERSION = 1
"""Raised when the same settings give other signatures than before."""


@dataclass(frozen=True)
class Index:
    """What earlier runs kept. Arrays are mapped, one for each run."""

    bands: tuple[U64, ...] = ()
    """Signatures, rows x pages, each row sorted by itself."""
    urls: tuple[U64, ...] = ()
    """Hashes of the addresses (`pages.url_hash`), sorted, each once."""
    made: tuple[tuple[Path, dict[str, Any]], ...] = ()
    """By file, the settings that made the signatures."""

    def check(self, settings: DedupSettings) -> None:
        """Raise ConfigError if signatures of these settings cannot be found in the index."""
        wanted = made_by(settings)
        for path, made in self.made:
            if made != wanted:
                raise ConfigError("seen", str(path), f"an index made with {_say(wanted)}, not with {_say(made)}")

    def knows_urls(self, hashes: U64) -> NDArray[np.bool_]:
        """Return for each hash of an address whether an earlier run kept a page of that address."""
        found = np.zeros(len(hashes), bool)
        for urls in self.urls:
            if len(urls):
                found |= urls[np.minimum(np.searchsorted(urls, hashes), len(urls) - 1)] == hashes
        return found


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Gather the signatures and addresses of all documents. Memory: 16 bytes a document."""
    config = task.config
    kept = [np.load(folder / KEPT, allow_pickle=False) for folder in task.steps["documents"]]
    signed = [Rows(folder / BANDS) for folder in task.steps.get("signatures", ())]
    rows = config.dedup.num_rows if config.dedup.enabled else 0
    pages = [folder / PAGES for folder in task.steps["filter"]]
    urls = np.concatenate(
        [np.load(path, allow_pickle=False)["url"][chosen] for path, chosen in zip(pages, kept, strict=True)]
    )
    with zipfile.ZipFile(task.out / KINDS.index.file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(MADE), json.dumps(made_by(config.dedup), sort_keys=True))
        with _member(archive, "urls", np.unique(urls).shape) as file:
            file.write(np.unique(urls).data)
        with _member(archive, "bands", (rows, len(urls))) as file:
            for row in range(rows):
                file.write(np.sort(_row(signed, kept, row)).data)
                task.progress(row + 1)
    return {"documents": len(urls)}


def open_index(files: Sequence[InputFile]) -> Index:
    """Return the indexes of earlier runs, mapped. Raises DataError for a file that is none."""
    opened = [_open(file.path) for file in files]
    return Index(
        bands=tuple(bands for bands, _, _ in opened),
        urls=tuple(urls for _, urls, _ in opened),
        made=tuple((file.path, made) for file, (_, _, made) in zip(files, opened, strict=True)),
    )


def made_by(settings: DedupSettings) -> dict[str, Any]:
    """Return what must be equal for two signatures to be comparable."""
    if not settings.enabled:
        return {"method": "none"}
    made = {"method": settings.method, "seed": settings.seed, "version": SIGNATURES_VERSION}
    if settings.method == "simhash":
        return {**made, "ngram": settings.simhash_ngram}
    buckets, hashes_per_bucket = settings.shape
    return {**made, "ngram": settings.ngram, "buckets": buckets, "hashes_per_bucket": hashes_per_bucket}


def _say(made: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(made.items()))


def _row(signed: Sequence[Rows], kept: Sequence[NDArray[Any]], row: int) -> U64:
    parts = [unit.read(row)[chosen] for unit, chosen in zip(signed, kept, strict=True)]
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> IO[bytes]:
    """Open an array of the archive for writing, after its header. A ZipInfo of its own has a fixed date."""
    file = archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)
    npy.write_array_header_1_0(file, {"descr": NUMBER.str, "fortran_order": False, "shape": shape})
    return file


def _open(path: Path) -> tuple[U64, U64, dict[str, Any]]:
    remedy = f"Give the {KINDS.index.file} of a finished run of the web stage"
    try:
        with zipfile.ZipFile(path) as archive:
            return _map(archive, path, "bands"), _map(archive, path, "urls"), json.loads(archive.read(MADE))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise DataError(path, f"is no index of earlier documents: {error}", remedy) from error


def _map(archive: zipfile.ZipFile, path: Path, name: str) -> U64:
    """Return an array of the archive, mapped where it lies: members are stored, not compressed."""
    info = archive.getinfo(f"{name}.npy")
    with path.open("rb") as file:
        # Before the member stand 30 bytes, its name and an extra field, whose lengths are the last four of the 30.
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
