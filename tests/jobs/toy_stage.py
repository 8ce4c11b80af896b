"""A code root that holds toy stages, and a driver that runs `launch.py` in it: for tests with real processes.

The root is a snapshot of this very code (jobs.submit.snapshot) with the folders of STAGES put in under stages/.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from jobs.paths import RunPaths
from jobs.submit.snapshot import take_snapshot
from stages.shared.files import write_atomic

STAGES = {"toy": "toy", "reader": "toy_reader", "echo": "toy_echo"}
"""Folders beside this file, by stage."""
RECIPE_VERBS = ("run", "plan", "nightly")
STEPS = ("toy.make", "toy.march", "toy.gather")


def make_code_root(folder: Path) -> Path:
    """Return a folder with the code and the toy stages, below `folder`."""
    root = take_snapshot(RunPaths(folder))
    for stage, source in STAGES.items():
        place = root / "stages" / stage
        shutil.copytree(Path(__file__).with_name(source), place, ignore=shutil.ignore_patterns("__pycache__"))
        (place / "__init__.py").touch()
    return root


@dataclass
class Toy:
    """A folder of runs and the recipe and cluster files that tests write for them."""

    root: Path
    """The code."""
    home: Path
    """Recipe, cluster file, runs and moods."""
    environment: dict[str, str] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=lambda: {"kind": "local", "cores": 2, "signal_lead_s": 1})
    settings: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    """Further keys of the recipe file: targets, resources, other sections."""
    name: str = "toy"

    @property
    def run(self) -> RunPaths:
        """The run's folder."""
        return RunPaths(self.home / "runs" / self.name)

    @property
    def moods(self) -> Path:
        """The folder of files that say how units behave."""
        return self.home / "moods"

    def mood(self, unit: str, word: str) -> None:
        """Give a unit, such as `make.1` for the one in place 1, a mood; "" is a good one."""
        self.moods.mkdir(parents=True, exist_ok=True)
        write_atomic(self.moods / unit, word)  # a unit that waits for another mood reads it at any moment

    def calls(self) -> Counter[str]:
        """Return how often each unit's function was called, by step and place."""
        return Counter(line.split(" ")[0] for line in self._lines())

    def nodes(self, unit: str) -> list[str]:
        """Return the nodes on which a unit's function was called, in order."""
        return [line.split(" ")[1] for line in self._lines() if line.startswith(f"{unit} ")]

    def _lines(self) -> list[str]:
        file = self.moods / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def write_files(self) -> None:
        """Write the recipe and the cluster file as they stand now."""
        self.home.mkdir(parents=True, exist_ok=True)
        recipe = {"toy": {"moods": str(self.moods), **self.settings}, **self.recipe}
        (self.home / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        (self.home / "cluster.yaml").write_text(yaml.safe_dump(self.cluster), encoding="utf-8")

    def command(self, verb: str, *more: str) -> list[str]:
        """Return the command line of a verb on this run."""
        self.write_files()
        which = [self.name] if verb not in RECIPE_VERBS else [str(self.home / "recipe.yaml")]
        if verb in RECIPE_VERBS:
            more = ("--cluster", str(self.home / "cluster.yaml"), f"--name={self.name}", *more)
        return [sys.executable, str(self.root / "launch.py"), verb, "--runs", str(self.home / "runs"), *which, *more]

    def variables(self) -> dict[str, str]:
        """Return the environment of a launcher."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        return {**kept, "STAGECOACH_ENV": "none", "COLUMNS": "200", **self.environment}

    def launch(self, verb: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        command, environment = self.command(verb, *more), self.variables()
        return subprocess.run(
            command, env=environment, cwd=self.home, capture_output=True, text=True, timeout=600, check=False
        )

    def begin(self, verb: str, *more: str) -> subprocess.Popen[str]:
        """Start a verb and come back at once."""
        log = (self.home / "launcher.log").open("a", encoding="utf-8")
        command = self.command(verb, *more)
        return subprocess.Popen(command, env=self.variables(), cwd=self.home, stdout=log, stderr=log, text=True)

    def status(self) -> dict[str, Any]:
        """Return `status --json`."""
        done = self.launch("status", "--json")
        assert done.stdout.startswith("{"), done.stderr
        return dict(json.loads(done.stdout))

    def states(self, job: str) -> dict[str, int]:
        """Return how many units of a job are in which state."""
        return dict(self.status()["jobs"][job]["counts"])

    def paces(self) -> int:
        """Return how far the march that is under way has got."""
        steps = (self.run.root / "steps" / "toy.march").glob("*")
        states = (state for step in steps for state in (step / "work").glob("*/paces"))
        return max((int(state.read_text(encoding="utf-8")) for state in states), default=0)

    def gathered(self, section: str = "toy") -> str:
        """Return the text of the last step's output at its newest identity."""
        found = sorted((self.run.root / "steps" / f"{section}.gather").glob("*/units/*/all.txt"), key=_age)
        return found[-1].read_text(encoding="utf-8")


def _age(path: Path) -> float:
    return path.stat().st_mtime
