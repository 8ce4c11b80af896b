"""A toy journey on the testbed, with Slurm's own view of it: for tests on a real Slurm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.submit.ledger import Ledger, Submission
from jobs.submit.slurm import QUEUE_COLUMNS, QueueRow, parse_queue
from stages.formats.attempts import Attempt, read_attempts
from tests.jobs.bench import PATIENCE_S
from tests.jobs.toy_stage import Toy

EACH_ONCE = {"make.0": 1, "make.1": 1, "make.2": 1, "march.0": 1, "gather.0": 1}
ASKED = {"cpus": 1, "mem_gb": 0, "time_min": 5, "throttle": 8, "backoff_s": 0}
CLUSTER = {
    "kind": "slurm",
    "signal_lead_s": 10,
    "srun_args": ["--cpu-bind=none"],
    "defaults": {"data": ASKED, "train": {**ASKED, "ranks_per_node": 1}, "small": ASKED},
}


def text(paces: int = 3, units: int = 3) -> str:
    """Return what a whole journey gathers."""
    return "".join(f"hello {key}\n" for key in range(units)) + f"{paces} paces\n"


@dataclass
class OnSlurm(Toy):
    """A toy journey on the testbed."""

    def slurm(self, *command: str) -> str:
        """Run one of Slurm's commands."""
        variables = {**os.environ, **self.environment}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rows(self, job: str = "") -> list[QueueRow]:
        """Return the queue's rows of a job's arrays, or of all, without asking the launcher."""
        ids = {entry.slurm_id for entry in self.submissions(job)}
        rows = parse_queue(self.slurm("squeue", "-r", "-h", "-O", QUEUE_COLUMNS))  # `-j` fails for an id that is purged
        return [row for row in rows if row.slurm_id.partition("_")[0] in ids]

    def attempts(self, job: str) -> list[Attempt]:
        """Return the attempts of a job in order of start."""
        return read_attempts(self.run.attempts, [f"toy.{job}"])

    def submissions(self, job: str = "") -> list[Submission]:
        """Return the submissions of a job, or of all."""
        return [entry for entry in Ledger(self.run).submissions() if job in ("", entry.job.removeprefix("toy."))]

    def arrays(self, job: str) -> int:
        """Return how many arrays of a job were submitted."""
        return len(self.submissions(job))

    def is_done(self, job: str = "gather", unit: str = "all") -> bool:
        """Return whether a unit of a job is done."""
        return any(self.run.root.glob(f"steps/toy.{job}/*/done/{unit}.*.json"))

    def has_ended(self, job: str, verdict: str) -> bool:
        """Return whether an attempt of a job has ended in a certain way."""
        return any(entry.end is not None and entry.end.verdict == verdict for entry in self.attempts(job))

    def has_walked(self, paces: int = 3) -> bool:
        """Return whether the march has come so far."""
        return self.paces() >= paces

    def submit(self) -> OnSlurm:
        """Submit the journey."""
        done = self.launch("run")
        assert done.returncode == 0, done.stderr
        return self


Make = Callable[..., OnSlurm]


def maker(testbed: dict[str, str], code_root: Path, folders: pytest.TempPathFactory) -> Make:
    """Return a maker of journeys: settings of the toy stage as keywords, resources by job as `resources`."""

    def made(name: str = "toy", resources: dict[str, Any] | None = None, **settings: Any) -> OnSlurm:
        home = folders.mktemp("on slurm")
        recipe = {"resources": {f"toy.{job}": asked for job, asked in (resources or {}).items()}}
        return OnSlurm(code_root, home, dict(testbed), CLUSTER, settings, recipe, name)

    return made
