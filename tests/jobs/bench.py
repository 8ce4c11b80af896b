"""A bench for the worker and the end of an attempt: toy jobs with records on disk, run as processes one by one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.paths import RunPaths, StepPaths
from jobs.plan.cluster import Cluster
from jobs.plan.graph import Job, build_graph
from jobs.plan.recipe import Recipe
from jobs.runs import Run
from jobs.submit.dispatch import write_work
from jobs.submit.ledger import Submission
from stages.formats.attempts import Attempt, AttemptName, read_attempts
from stages.shared.files import read_json
from tests.jobs.made import RUN_ID, write_done
from tests.jobs.toy.config import ToyConfig
from tests.jobs.toy_stage import Toy

PATIENCE_S = 300.0
"""Longest wait for anything: much more than it takes, since a machine under load takes many times as long."""


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition holds; fails the test if it does not within PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.02)


class Bench:
    """One toy run, whose jobs are started by hand."""

    def __init__(self, toy: Toy, **settings: Any) -> None:
        self.toy, self.code = toy, toy.root
        self.paths = RunPaths(toy.home / "runs" / 'it\'s a "run"\nof $(touch pwned)')
        recipe = Recipe("toy", "", ("toy",), {"toy": ToyConfig(moods=str(toy.moods), **settings)}, {}, {})
        cluster = Cluster(name="local", kind="local")
        graph = build_graph(recipe, cluster, self.paths, lambda value, setting, reads: (), lambda job: {})
        self.run = Run(self.paths, recipe, cluster, graph, {"id": RUN_ID})
        self.number = 0
        self.array = ""
        """Slurm's id of the array, for what is started from now on."""

    def job(self, name: str) -> Job:
        """Return a job by its step's name."""
        return self.run.graph.jobs[f"toy.{name}"]

    def step(self, name: str) -> StepPaths:
        """Return a job's folder."""
        return self.paths.step(f"toy.{name}", self.job(name).fingerprint)

    def unit(self, name: str, place: int = 0) -> str:
        """Return the folder of a job's unit, by its place."""
        return list(self.job(name).units)[place]

    def submit(self, name: str, *elements: tuple[int, ...]) -> Submission:
        """Record a submission of units by place, as the launcher would before anything runs."""
        self.number += 1
        job = self.job(name)
        entry = Submission(
            key=f"{self.number:04d}-k",
            job=job.name,
            fingerprint=job.fingerprint,
            number=self.number,
            elements=tuple(tuple(self.unit(name, place) for place in places) for places in elements or ((0,),)),
        )
        write_work(self.run, job, entry, self.code)
        return entry

    def _variables(self, element: int, restart: int, rank: int, ranks: int) -> dict[str, str]:
        numbers = {"ELEMENT": element, "RESTART": restart, "RANK": rank, "RANKS": ranks}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        slurm = {"SLURM_ARRAY_JOB_ID": self.array} if self.array else {}
        return {**kept, **slurm, **{f"STAGECOACH_{name}": str(value) for name, value in numbers.items()}}

    def start(
        self, entry: Submission, element: int = 0, restart: int = 0, rank: int = 0, ranks: int = 1
    ) -> subprocess.Popen[str]:
        """Start a worker."""
        return subprocess.Popen(
            [sys.executable, "-m", "jobs.run.worker", str(self.paths.root), entry.job, entry.key],
            cwd=self.code,
            env=self._variables(element, restart, rank, ranks),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def work(self, entry: Submission, element: int = 0, restart: int = 0) -> tuple[int, str]:
        """Run a worker to its end; return its exit code (negative: killed by that signal) and its output."""
        process = self.start(entry, element, restart)
        said = process.communicate(timeout=PATIENCE_S)[0]
        return process.returncode, said

    def attempt_end(self, entry: Submission, code: int, element: int = 0, restart: int = 0, ranks: int = 1) -> str:
        """Run the batch script's last act and return its verdict."""
        command = [sys.executable, "-m", "jobs.run.attempt_end", str(self.paths.root), entry.job, entry.key, str(code)]
        environment = self._variables(element, restart, 0, ranks)
        done = subprocess.run(command, cwd=self.code, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def attempt(self, entry: Submission, element: int = 0, restart: int = 0) -> Attempt:
        """Return what the ledger holds of an attempt."""
        (found,) = read_attempts(self.paths.attempts, [entry.job], wanted=self.name(entry, element, restart).__eq__)
        return found

    def name(self, entry: Submission, element: int = 0, restart: int = 0) -> AttemptName:
        """Return the name of an attempt."""
        return AttemptName(entry.job, entry.key, element, restart)

    def mark_done(self, name: str) -> None:
        """Pretend that a job is finished, for those that need it."""
        for unit in self.job(name).units:
            write_done(self.step(name), unit)

    def done(self, name: str) -> set[int]:
        """Return the places of a job's finished units."""
        done = self.step(name).done_units()
        return {place for place, unit in enumerate(self.job(name).units) if unit in done}

    def mark(self, name: str, place: int = 0) -> dict[str, Any]:
        """Return a completion mark."""
        return dict(read_json(self.step(name).mark(self.unit(name, place))))

    def paces(self) -> int:
        """Return how far the march has got."""
        state = self.step("march").work(self.unit("march")) / "paces"
        return int(state.read_text(encoding="utf-8")) if state.exists() else 0

    def text(self, name: str, place: int = 0) -> str:
        """Return the text of a finished unit's only file."""
        (file,) = self.step(name).unit(self.unit(name, place)).iterdir()
        return file.read_text(encoding="utf-8")

    def folders(self, name: str) -> list[str]:
        """Return the names in a job's folder of units."""
        folder: Path = self.step(name).root / "units"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
