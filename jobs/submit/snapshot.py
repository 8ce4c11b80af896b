"""Snapshot of the code: jobs run the code that was submitted, whatever is edited while they wait in the queue."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from jobs.paths import RunPaths
from stages.shared.errors import StagecoachError

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("launch.py", "jobs", "stages", "templates", "envs")
SKIP = ("__pycache__", ".venv")
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def code_files(root: Path = ROOT) -> list[Path]:
    """Return the files that make up the code, relative to `root`, sorted.

    Of code that pip installed: the files that pip's record lists, since `root` is site-packages.
    """
    found = _recorded(root) or [path.relative_to(root) for part in PARTS for path in _below(root / part)]
    return sorted(path for path in found if _is_code(path))


def _is_code(path: Path) -> bool:
    return path.parts[0] in PARTS and path.suffix != ".pyc" and not any(skip in path.parts for skip in SKIP)


def _below(path: Path) -> Iterator[Path]:
    return (file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def _recorded(root: Path) -> list[Path]:
    records = root.glob("stagecoach-*.dist-info/RECORD")
    return [Path(row[0]) for record in records for row in csv.reader(record.read_text(encoding="utf-8").splitlines())]


def take_snapshot(run: RunPaths, root: Path = ROOT) -> Path:
    """Copy the code into the run, once per content, and return the folder. Its name is the digest of the content.

    A snapshot that is there already is used if it is this user's, others cannot write in it, and its content has the
    digest; else it is made anew. Where another user's folder has the name, as in a run of several users, the user's
    number is added to it. Raises StagecoachError if that name is another user's too.
    """
    digests = {path: hashlib.sha256((root / path).read_bytes()).digest() for path in code_files(root)}
    content = hashlib.sha256(b"".join(f"{path}\0".encode() + digest for path, digest in digests.items())).hexdigest()
    folder = _own_place(run.code / content[:12])
    if _is_whole(folder, digests):
        return folder
    run.code.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".", dir=run.code))
    for path in digests:
        (aside / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, aside / path)
    for path in (aside, *aside.rglob("*")):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OTHERS_WRITE)
    _clear(folder)
    aside.rename(folder)
    return folder


def archive_of(code: Path) -> Path:
    """Return one archive of a snapshot, made if it is not there: nodes copy it instead of a thousand files."""
    path = code.with_name(f"{code.name}.tar")
    if not os.path.lexists(path) or not _is_ours(path):
        descriptor, aside = tempfile.mkstemp(prefix=".", dir=code.parent)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(code, ".", filter=lambda entry: None if "__pycache__" in entry.name else entry)
        Path(aside).replace(path)
    return path


def _own_place(folder: Path) -> Path:
    """Return the folder, or one beside it, that is this user's or is not there."""
    for place in (folder, folder.with_name(f"{folder.name}-{os.geteuid()}")):
        if not os.path.lexists(place) or place.lstat().st_uid == os.geteuid():
            return place
    raise StagecoachError(f"{place} is in the place of your code and belongs to another user. Remove it")


def _is_whole(folder: Path, digests: Mapping[Path, bytes]) -> bool:
    """Return whether a folder holds this code, complete and unchanged, and others cannot change it."""
    if not os.path.lexists(folder) or not _is_ours(folder):
        return False
    paths = [path for path in folder.rglob("*") if not any(skip in path.parts for skip in SKIP)]
    if not all(map(_is_ours, paths)):
        return False
    found = {path.relative_to(folder) for path in paths if not path.is_dir()}
    return found == digests.keys() and all(
        hashlib.sha256((folder / path).read_bytes()).digest() == digest for path, digest in digests.items()
    )


def _is_ours(path: Path) -> bool:
    """Return whether a path is a file or folder of this user, no link, that others cannot write."""
    status = path.lstat()
    is_plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return is_plain and status.st_uid == os.geteuid() and not status.st_mode & OTHERS_WRITE


def _clear(folder: Path) -> None:
    """Remove what stands in a snapshot's place."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink()
    else:
        shutil.rmtree(folder)
