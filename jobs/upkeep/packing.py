"""Packs the small files of a finished run: marks and attempts into a file each a job, logs into an archive.

A step of 100,000 units leaves some files for each unit, and file systems of clusters limit their number. Outputs stay
as they are. What an element may still write lies beside the packed file, and the next call packs it too.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.paths import StepPaths
from jobs.runs import Run
from jobs.submit.reconcile import States, finished
from stages.shared.packed import read_packed, write_packed

LEAST = 64
"""Files of one kind that stay as they are: a job of few units is easier to read unpacked."""


def pack(run: Run, states: States) -> int:
    """Pack the small files of a finished run; return the number of files that this has saved.

    A launcher that is killed in between leaves records twice, with the same content; the next one goes on.
    """
    if not finished(states):
        return 0
    saved = 0
    for job in run.graph.jobs.values():
        step = run.paths.step(job.name, job.fingerprint)
        saved += _pack(step.done, step.packed_marks, ".json")
        saved += _drop_leases(step)
        saved += _pack(run.paths.attempts / job.name, run.paths.packed_attempts(job.name), "")
        saved += _pack_logs(run.paths.logs(job.name), run.paths.packed_logs(job.name))
    return saved


def _pack(folder: Path, packed: Path, suffix: str) -> int:
    """Add the records in a folder to a packed file, by name without the suffix, then remove their own files."""
    names = _names(folder, ".json")
    if len(names) <= LEAST:
        return 0
    records = read_packed(packed)
    good = {name: text for name in names if (text := _json_text(folder / name))}
    records |= {name.removesuffix(suffix): text for name, text in good.items()}
    write_packed(packed, sorted(records.items()))
    _remove(folder / name for name in good)
    return len(good)


def _json_text(path: Path) -> str:
    """Return the text of a record, "" if it is damaged: such a file stays, for `status` names it."""
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, ValueError):
        return ""
    return text


def _drop_leases(step: StepPaths) -> int:
    """Remove the leases of units whose mark is packed, and the empty folders of their attempts."""
    names = _names(step.root / "lease", ".json")
    marked = read_packed(step.packed_marks)
    gone = [name for name in names if name.removesuffix(".json") in marked]
    _remove(step.root / "lease" / name for name in gone)
    for folder in ("aside", "work"):
        for unit in _folders(step.root / folder) & marked.keys():
            shutil.rmtree(step.root / folder / unit, ignore_errors=True)
    return len(gone)


def _pack_logs(folder: Path, packed: Path) -> int:
    names = _names(folder, ".log")
    if len(names) <= LEAST:
        return 0
    aside = packed.with_name(f".{packed.name}.{os.urandom(4).hex()}.tmp")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in _before(packed, set(names)):
            archive.writestr(info, data)
        for name in names:
            archive.write(folder / name, name)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(packed)
    _remove(folder / name for name in names)
    return len(names)


def _before(packed: Path, newer: set[str]) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """Yield what an archive holds already, without logs that have a newer file."""
    if packed.exists():
        with zipfile.ZipFile(packed) as archive:
            yield from ((info, archive.read(info)) for info in archive.infolist() if info.filename not in newer)


def _names(folder: Path, suffix: str) -> list[str]:
    """Return the names of a folder's files with a suffix, without links and those that are still being written."""
    try:
        with os.scandir(folder) as entries:
            found = [
                each.name for each in entries if each.name.endswith(suffix) and each.is_file(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if not name.startswith("."))


def _folders(folder: Path) -> frozenset[str]:
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()  # noqa: PTH208  (names alone)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
