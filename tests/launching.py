"""Calls launch.py as a user would, in a process of its own, and reads what a run left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.formats.attempts import Attempt, read_attempts
from stages.formats.kinds import KINDS

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
"""Real files that some tests check against, where they are at hand."""


def launch(
    *arguments: str, runs: Path, env: Mapping[str, str] | None = None, timeout: float = 1800, check: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """Run `launch.py` with arguments and return what it said; `check` is the exit code it must end with."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), *arguments, "--runs", str(runs)],
        env={**os.environ, "COLUMNS": "160", **(env or {})},
        cwd=runs,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check is not None:
        assert done.returncode == check, f"exit {done.returncode}, want {check}\n{done.stdout}\n{done.stderr}"
    return done


def step_dir(run: Path, job: str) -> Path:
    """Return the folder of a job's only identity in a run."""
    (folder,) = (run / "steps" / job).iterdir()
    return folder


def unit_dir(run: Path, job: str) -> Path:
    """Return the folder of the only unit of a job."""
    (folder,) = (step_dir(run, job) / "units").iterdir()
    return folder


def unit_files(run: Path, job: str) -> dict[str, bytes]:
    """Return the content of every file in a job's finished units, by path within the job."""
    units = step_dir(run, job) / "units"
    return {str(path.relative_to(units)): path.read_bytes() for path in sorted(units.rglob("*")) if path.is_file()}


def attempts(run: Path, job: str) -> list[Attempt]:
    """Return a job's attempts in order of start, of those that wrote a start record."""
    return [attempt for attempt in read_attempts(run / "ledger" / "attempts", [job]) if attempt.start is not None]


def metrics(run: Path, job: str) -> list[dict[str, Any]]:
    """Return the metrics of a training job, a record a step."""
    path = unit_dir(run, job) / KINDS.metrics.file
    return [json.loads(line) for line in path.read_text().splitlines()]
