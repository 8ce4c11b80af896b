"""The place of a process in its array, and how little is imported to find it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jobs.run.element import Element, place_from_environment
from jobs.submit.snapshot import ROOT

BATCH = {"STAGECOACH_ELEMENT": "3", "STAGECOACH_RESTART": "2", "STAGECOACH_RANKS": "4"}
"""Variables that the batch script sets."""
OF_SRUN = {"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_ARRAY_JOB_ID": "77"}
HEAVY = ("pydantic", "yaml", "ssl", "numpy", "torch")


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, Element("0001-ab", 3, 2, rank=0, local_rank=0, world_size=4)),
        ({"STAGECOACH_RANK": "1"}, Element("0001-ab", 3, 2, rank=1, local_rank=1, world_size=4)),
        (OF_SRUN, Element("0001-ab", 3, 2, rank=3, local_rank=1, world_size=4, array="77")),
        (
            {**OF_SRUN, "STAGECOACH_LANES": "4"},
            Element("0001-ab", 3, 2, rank=0, local_rank=0, world_size=4, lane=3, lanes=4, array="77"),
        ),
    ],
    ids=["one rank", "of jobs.run.ranks", "of srun", "a lane"],
)
def test_a_process_knows_its_place(monkeypatch: pytest.MonkeyPatch, more: dict[str, str], place: Element) -> None:
    for name in (*OF_SRUN, "STAGECOACH_RANK", "STAGECOACH_LANES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**BATCH, **more}.items():
        monkeypatch.setenv(name, value)
    assert place_from_environment("0001-ab") == place
    assert place.token == "0001-ab.3.2"


@pytest.mark.parametrize("module", ["jobs.run.ranks", "jobs.run.attempt_end"])
def test_what_runs_around_each_worker_imports_nothing_heavy(module: str) -> None:
    """Each starts once for every attempt of every element."""
    probe = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
