"""Checks of the folder of runs: free space, speed, and the renames and locks that correctness depends on."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from jobs.checks.finding import Finding

ABOUT = "folder of runs"
GB = 1e9
SAMPLE_MB = 64


def findings(runs: Path) -> Iterator[Finding]:
    """Yield the findings about the folder `runs`. Side effect: makes the folder; leaves nothing in it."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=runs) as scratch:
            yield _room(runs)
            yield _speed(Path(scratch))
            yield _renames(Path(scratch))
            yield _locks(Path(scratch))
    except OSError as error:
        remedy = "Name another with --runs or STAGECOACH_RUNS, on a file system that all nodes share."
        yield Finding(ABOUT, "fail", f"cannot write in {runs}: {error.strerror or error}", remedy)


def _room(runs: Path) -> Finding:
    free = shutil.disk_usage(runs).free
    what = f"{runs} on {_file_system(runs)}, {free / GB:.0f} GB free"
    if free < GB:
        return Finding(
            ABOUT, "fail", what, "The demo alone needs 1 GB: free some space or name another folder with --runs."
        )
    if free < 20 * GB:
        return Finding(ABOUT, "warn", what, "Enough for the demo; see `launch.py plan RECIPE` for what a recipe needs.")
    return Finding(ABOUT, "ok", what)


def _file_system(folder: Path) -> str:
    """Return the type of file system that holds `folder`, such as ext4, nfs4 or lustre."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "an unknown file system"
    place = folder.resolve()
    points = {Path(words[1].encode().decode("unicode_escape")): words[2] for words in mounts}
    return points[max((point for point in points if place.is_relative_to(point)), key=lambda point: len(point.parts))]


def _speed(scratch: Path) -> Finding:
    path = scratch / "speed"
    block = os.urandom(1 << 20)
    began = time.monotonic()
    with path.open("wb") as file:
        for _ in range(SAMPLE_MB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    speed = SAMPLE_MB * 1.05 / (time.monotonic() - began)
    path.unlink()
    slow = (
        "Checkpoints will be slow to write: prefer the cluster's scratch or parallel file system." if speed < 50 else ""
    )
    return Finding(ABOUT, "warn" if slow else "ok", f"writes {speed:.0f} MB/s to disk", slow)


def _renames(scratch: Path) -> Finding:
    """Return whether a rename replaces a file in one step, even while it is read, and moves a folder with files."""
    old, new = scratch / "old", scratch / "new"
    old.write_text("old", encoding="ascii")
    new.write_text("new", encoding="ascii")
    folder = scratch / "folder"
    folder.mkdir()
    (folder / "file").write_text("inside", encoding="ascii")
    with old.open(encoding="ascii") as reader:
        new.replace(old)
        is_kept = reader.read() == "old"
    folder.rename(scratch / "moved")
    is_moved = (scratch / "moved" / "file").read_text(encoding="ascii") == "inside" and not folder.exists()
    if is_kept and is_moved and old.read_text(encoding="ascii") == "new" and not new.exists():
        return Finding(ABOUT, "ok", "renames replace files and move folders in one step")
    remedy = "Use a POSIX file system (ext4, xfs, nfs, lustre, gpfs, beegfs): a rename marks output as finished."
    return Finding(ABOUT, "fail", "a rename does not replace a file in one step", remedy)


def _locks(scratch: Path) -> Finding:
    path = scratch / "lock"
    with path.open("w") as first, path.open("w") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Finding(ABOUT, "ok", "locks keep a second launcher out")
        except OSError as error:
            what = f"no file locks ({error.strerror})"
            return Finding(
                ABOUT, "warn", what, "Do not call the launcher twice at once for one run; lustre: mount with flock."
            )
    return Finding(ABOUT, "warn", "file locks do not lock", "Do not call the launcher twice at once for one run.")
