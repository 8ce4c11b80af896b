"""The launcher on runs of 1,000, 10,000 and 100,000 units: `python -m tests.bench.units` prints one table.

Two runs of each size: a dump of Common Crawl with the recipe `web`, and the toy stage's. Each has the ledger of a real
run in its last array: submissions of 1,001 elements, attempts and marks. `plan`, `status`, a second `run` and the end
of one element run in processes of their own; another run of the largest size is submitted to a stand-in for sbatch,
which counts its calls. `--check` ends with one line, `units: got X, asked Y`, and with exit code 1 if it falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.jobs.fakes import write_fake
from tests.jobs.toy_stage import make_code_root

SIZES = (1_000, 10_000, 100_000)
ARRAY = 1_001
"""Slurm's own default for MaxArraySize."""
PACKED = 10
"""Units of an element, in the steps that take seconds a unit."""
ROOT = Path(__file__).parents[2]
PLAN_S, PLAN_MB, STATUS_S, RUN_S, END_S, END_MB = 5.0, 500.0, 3.0, 10.0, 0.5, 100.0
"""What is asked at 100,000 units."""
DUMP = "CC-MAIN-2024-10"
PATH = f"crawl-data/{DUMP}/segments/{{segment}}/warc/CC-MAIN-20240220211055-20240221001055-{{number:05}}.warc.gz\n"


@dataclass(frozen=True)
class Cost:
    """One verb in a process of its own."""

    seconds: float
    """Of processor time: on an idle machine the verb takes as long."""
    megabytes: float
    """Peak resident memory."""
    output: str


@dataclass(frozen=True)
class Measured:
    """One run of one size."""

    name: str
    units: int
    plan: Cost
    status: Cost
    again: Cost
    """A second `run`, with nothing to submit."""
    end: Cost
    """The end of one element, in its batch script."""


@dataclass(frozen=True)
class Demand:
    """What must hold at the largest size."""

    what: str
    got: float
    asked: float
    """The most that is allowed."""
    unit: str


class Subject:
    """A run on a made-up Slurm cluster: a recipe and a ledger."""

    def __init__(self, name: str, code: Path, home: Path, units: int) -> None:
        self.name, self.code, self.home, self.units = name, code, home, units
        self.bin = home / "bin"
        home.mkdir(parents=True)
        cluster = {"kind": "slurm", "python": sys.executable, "max_array_size": ARRAY}
        recipe = self._web() if name == "web" else self._toy()
        (home / "cluster.yaml").write_text(yaml.safe_dump(cluster))
        (home / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        self._answer("squeue", "")
        self._answer("scontrol", f"MaxArraySize = {ARRAY}\n")

    def _web(self) -> dict[str, Any]:
        """Return a recipe whose units, of the four steps that have one for each file, are as many as asked."""
        files = self.units // 4
        lines = [PATH.format(segment=number // 900, number=number) for number in range(files)]
        (self.home / "some.paths").write_text("".join(lines))
        packed = {f"web.{step}": {"units_per_element": PACKED} for step in ("filter", "signatures", "documents")}
        web = {"inputs": str(self.home / "some.paths"), "exact": {"parts": 10}}
        return {"web": web, "resources": packed}

    def _toy(self) -> dict[str, Any]:
        return {"toy": {"moods": str(self.home / "moods"), "units": self.units}}

    def _answer(self, command: str, text: str) -> None:
        """Write a stand-in for one of Slurm's commands that always answers the same."""
        self.bin.mkdir(exist_ok=True)
        (self.bin / f"{command}.txt").write_text(text)
        path = self.bin / command
        path.write_text(f"#!/bin/sh\nexec cat '{self.bin / command}.txt'\n")
        path.chmod(0o755)

    def command(self, verb: str, *more: str) -> list[str]:
        """Return the command line of a verb on this run."""
        which = [self.name, *more]
        if verb in ("plan", "run"):
            recipe, cluster = self.home / "recipe.yaml", self.home / "cluster.yaml"
            which = [str(recipe), "--cluster", str(cluster), "--name", self.name, *more]
        return [sys.executable, str(self.code / "launch.py"), verb, "--runs", str(self.home / "runs"), *which]

    def launch(self, verb: str, *more: str, codes: Sequence[int] = (0,)) -> Cost:
        """Run a verb, which must end with one of `codes`, and return its cost."""
        environment = {**os.environ, "STAGECOACH_ENV": "none", "COLUMNS": "160"}
        environment["PATH"] = f"{self.bin}:{environment['PATH']}"
        return self._cost(verb, self.command(verb, *more), environment, codes)

    def end(self) -> Cost:
        """Let an element in the middle of the longest job end, and return the cost."""
        runs = self.home / "runs" / self.name
        folders = sorted((runs / "ledger" / "submissions").iterdir(), key=lambda folder: len(list(folder.iterdir())))
        job, key = folders[-1].name, sorted(path.stem for path in folders[-1].iterdir())[0]
        place = {"STAGECOACH_ELEMENT": "7", "STAGECOACH_RESTART": "0", "STAGECOACH_RANKS": "1"}
        command = [sys.executable, "-m", "jobs.run.attempt_end", str(runs), job, key, "0"]
        return self._cost("end", command, {**os.environ, **place, "PYTHONPATH": str(self.code)}, (0,))

    def _cost(self, name: str, command: Sequence[str], environment: Mapping[str, str], codes: Sequence[int]) -> Cost:
        log = self.home / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=self.home)
            _, status, usage = os.wait4(process.pid, 0)
        said = log.read_text()
        if os.waitstatus_to_exitcode(status) not in codes:
            raise RuntimeError(f"{name} of {self.name} at {self.units:,} failed:\n{said[-3000:]}")
        return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3, said)

    def fill(self) -> None:
        """Write the run and its ledger as a real run leaves them: all is done but the last array, which is queued."""
        runs, recipe, cluster = self.home / "runs", self.home / "recipe.yaml", self.home / "cluster.yaml"
        command = [sys.executable, "-m", "tests.bench.units_ledger", *map(str, (recipe, cluster, runs)), self.name]
        # The code root is first on the path, for the toy stage is in no other.
        environment = {**os.environ, "PYTHONPATH": f"{self.code}:{ROOT}"}
        done = subprocess.run(command, cwd=self.code, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"no ledger of {self.name} at {self.units:,}:\n{done.stderr[-3000:]}")
        self._answer("squeue", done.stdout)

    def sbatch_calls(self) -> tuple[int, int]:
        """Submit everything; return how often sbatch was called, and how many arrays the plan has."""
        sbatch = write_fake(self.bin, "sbatch", "echo $((100 + call))")
        planned = json.loads(self.launch("plan", "--json").output)
        self.launch("run", "--yes", codes=(0, 1))  # 1: what was submitted is not in the empty queue afterwards
        return len(sbatch.calls()), sum(job["arrays"] for job in planned["jobs"])


def measure(subject: Subject, rounds: int) -> Measured:
    """Return the best of several rounds of each verb."""
    subject.fill()
    plans = [subject.launch("plan") for _ in range(rounds)]
    states = [subject.launch("status") for _ in range(rounds)]
    ends = [subject.end() for _ in range(rounds)]
    again = [subject.launch("run") for _ in range(rounds)]
    best = [min(costs, key=lambda cost: cost.seconds) for costs in (plans, states, again, ends)]
    return Measured(subject.name, subject.units, *best)


def demands(found: Sequence[Measured]) -> list[Demand]:
    """Return what is asked, with what was got."""
    asked = []
    for largest in [each for each in found if each.units == SIZES[-1]]:
        before = next(each for each in found if (each.name, each.units) == (largest.name, SIZES[-2]))
        factor = SIZES[-1] / SIZES[-2]
        asked += [
            Demand(f"{largest.name}, plan", largest.plan.seconds, PLAN_S, "s"),
            Demand(f"{largest.name}, memory of plan", largest.plan.megabytes, PLAN_MB, "MB"),
            Demand(f"{largest.name}, status", largest.status.seconds, STATUS_S, "s"),
            Demand(f"{largest.name}, second run", largest.again.seconds, RUN_S, "s"),
            Demand(f"{largest.name}, an element's end", largest.end.seconds, END_S, "s"),
            Demand(f"{largest.name}, memory of an element's end", largest.end.megabytes, END_MB, "MB"),
            Demand(f"{largest.name}, plan", largest.plan.seconds / before.plan.seconds, factor, "times 10,000's"),
            Demand(f"{largest.name}, status", largest.status.seconds / before.status.seconds, factor, "times 10,000's"),
            Demand(
                f"{largest.name}, second run", largest.again.seconds / before.again.seconds, factor, "times 10,000's"
            ),
            Demand(
                f"{largest.name}, an element's end", largest.end.seconds / before.end.seconds, 2.0, "times 10,000's"
            ),
        ]
    return asked


def table(found: Sequence[Measured]) -> str:
    """Return the costs as a table for people."""
    head = ["run", "units", "plan s", "MB", "status s", "MB", "second run s", "MB", "element's end s", "MB"]
    rows = [
        [
            each.name,
            f"{each.units:,}",
            *(
                text
                for cost in (each.plan, each.status, each.again, each.end)
                for text in (f"{cost.seconds:.2f}", f"{cost.megabytes:.0f}")
            ),
        ]
        for each in found
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in [head, *rows]]
    return "\n".join(lines)


def main() -> int:
    """Measure, print the table; with --check return 1 if a demand is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each verb; the best counts")
    parser.add_argument(
        "--check", action="store_true", help="end with `units: got X, asked Y`; exit code 1 if it falls short"
    )
    parser.add_argument("--only", choices=("web", "toy"), help="one run")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the runs here and leave them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        code = make_code_root(folder / "code")
        names = [options.only] if options.only else ["web", "toy"]
        found = [
            measure(Subject(name, code, folder / f"{name}-{size}", size), options.rounds)
            for name in names
            for size in SIZES
        ]
        print(table(found))
        calls, arrays = Subject(names[0], code, folder / "submitted", SIZES[-1]).sbatch_calls()
        print(f"{names[0]}, {SIZES[-1]:,} units: {calls} calls of sbatch for {arrays} arrays")
    asked = demands(found)
    if calls != arrays:
        asked = [Demand("sbatch", calls, arrays, "calls")]
    worst = max(asked, key=lambda demand: demand.got / demand.asked)
    if options.check:
        got, asked_for = f"{worst.got:.3g} {worst.unit}", f"{worst.asked:g} {worst.unit}"
        print(f"units: got {worst.what} {got}, asked {asked_for}")
    return int(options.check and worst.got > worst.asked)


if __name__ == "__main__":
    sys.exit(main())
