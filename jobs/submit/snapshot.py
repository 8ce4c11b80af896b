"""Snapshot of the code: jobs run the code that was submitted, even if files are edited while they wait in the queue."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from jobs.paths import RunPaths

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("launch.py", "jobs", "stages", "templates", "envs")
SKIP = ("__pycache__", ".venv")


def code_files(root: Path = ROOT) -> list[Path]:
    """Return the files that make up the code, relative to `root`, sorted."""
    found = [Path(PARTS[0])]
    for part in PARTS[1:]:
        found += [path.relative_to(root) for path in (root / part).rglob("*") if path.is_file()]
    return sorted(path for path in found if not any(skip in path.parts for skip in SKIP) and path.suffix != ".pyc")


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
