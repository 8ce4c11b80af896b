"""A bench for the worker and the aftermath: toy jobs with their records on disk, run as real processes one by one."""

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
from jobs.submit.dispatch import write_job
from jobs.submit.ledger import Attempt, Submission, read_attempts, write_submission
from stages.shared.files import read_json, write_json
from tests.jobs.toy.config import ToyConfig
from tests.jobs.toy_stage import Toy


def until(condition: Callable[[], Any], what: str, limit_s: float = 30) -> None:
    """Wait until a condition holds; fails the test if it does not in time."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"not within {limit_s} s: {what}"
        time.sleep(0.02)


class Bench:
    """One toy run, whose jobs are started by hand."""

    def __init__(self, toy: Toy, **settings: Any) -> None:
        self.toy, self.code = toy, toy.root
        self.paths = RunPaths(toy.home / "runs" / 'it\'s a "run"\nof $(touch pwned)')
        recipe = Recipe("toy", "", ("toy",), {"toy": ToyConfig(moods=str(toy.moods), **settings)}, {}, {})
        cluster = Cluster(name="local", kind="local")
        graph = build_graph(recipe, cluster, self.paths, lambda value, setting: (), lambda file: [])
        self.journey = Run(self.paths, recipe, cluster, graph, {})
        for job in graph.jobs.values():
            write_job(self.journey, job, self.code)
        self.number = 0

    def job(self, name: str) -> Job:
        """Return a job by its step's name."""
        return self.journey.graph.jobs[f"toy.{name}"]

    def step(self, name: str) -> StepPaths:
        """Return a job's folder."""
        return self.paths.step(f"toy.{name}", self.job(name).fingerprint)

    def submit(self, name: str, *elements: tuple[int, ...]) -> Submission:
        """Record a submission, as the launcher would before anything runs."""
        self.number += 1
        job = self.job(name)
        entry = Submission(
            key=f"{self.number:04d}-k",
            job=job.name,
            fingerprint=job.fingerprint,
            number=self.number,
            elements=elements or ((0,),),
        )
        write_submission(self.paths, entry)
        return entry

    def _variables(self, element: int, restart: int, rank: int, ranks: int) -> dict[str, str]:
        numbers = {"ELEMENT": element, "RESTART": restart, "RANK": rank, "RANKS": ranks}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        return {**kept, **{f"STAGECOACH_{name}": str(value) for name, value in numbers.items()}}

    def start(
        self, entry: Submission, element: int = 0, restart: int = 0, rank: int = 0, ranks: int = 1
    ) -> subprocess.Popen[str]:
        """Start a worker."""
        step = self.step(entry.job.removeprefix("toy."))
        return subprocess.Popen(
            [sys.executable, "-m", "jobs.run.worker", str(step.root), entry.key],
            cwd=self.code,
            env=self._variables(element, restart, rank, ranks),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def work(self, entry: Submission, element: int = 0, restart: int = 0) -> tuple[int, str]:
        """Run a worker to its end; returns its exit code (negative: killed by that signal) and what it said."""
        process = self.start(entry, element, restart)
        said = process.communicate(timeout=60)[0]
        return process.returncode, said

    def aftermath(self, entry: Submission, code: int, element: int = 0, restart: int = 0, ranks: int = 1) -> str:
        """Run the batch script's last act and return its verdict."""
        step = self.step(entry.job.removeprefix("toy."))
        command = [sys.executable, "-m", "jobs.run.attempt_end", str(step.root), entry.key, str(code)]
        environment = self._variables(element, restart, 0, ranks)
        done = subprocess.run(command, cwd=self.code, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def attempt(self, entry: Submission, element: int = 0, restart: int = 0) -> Attempt:
        """Return what the ledger says of an attempt."""
        found = [each for each in read_attempts(self.paths, [entry.job]) if each.key == entry.key]
        return next(each for each in found if (each.element, each.restart) == (element, restart))

    def mark_done(self, name: str) -> None:
        """Pretend that a job is finished, for those that need it."""
        for shard in range(self.job(name).step.shards):
            write_json(self.step(name).mark(shard), {"job": f"toy.{name}"})

    def mark(self, name: str, shard: int) -> dict[str, Any]:
        """Return a completion mark."""
        return dict(read_json(self.step(name).mark(shard)))

    def text(self, name: str, shard: int = 0) -> str:
        """Return the text of a finished shard's only file."""
        (file,) = (self.step(name).root / "shards" / f"{shard:05d}").iterdir()
        return file.read_text(encoding="utf-8")

    def shards(self, name: str) -> list[str]:
        """Return what lies in a job's folder of shards, half-written ones too."""
        folder: Path = self.step(name).root / "shards"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
