"""Snapshot of the code: jobs run the code that was submitted, whatever is edited while they wait in the queue."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from jobs.paths import RunPaths

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("launch.py", "jobs", "stages", "templates", "envs")
SKIP = ("__pycache__", ".venv")


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
    """Copy the code into the run, once per content, and return the folder. Its name is the digest of the content."""
    digest = hashlib.sha256()
    files = code_files(root)
    for path in files:
        digest.update(f"{path}\0".encode() + hashlib.sha256((root / path).read_bytes()).digest())
    folder = run.code / digest.hexdigest()[:12]
    if folder.exists():
        return folder
    aside = run.code / f".{folder.name}.{os.getpid()}"
    for path in files:
        (aside / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, aside / path)
    aside.rename(folder)
    return folder
