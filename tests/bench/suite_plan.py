"""The plan of the `llama` suite on twenty checkpoints, as a login node makes it: in a process of its own.

python -m tests.bench.suite_plan [--rounds 3] [--check]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from jobs.paths import StepPaths
from stages.evaluate.config import EvaluateConfig
from stages.formats.benchmarks.index import read_index
from stages.formats.benchmarks.layout import HASH, INFO, VERSION, folder_of
from stages.shared.files import write_json
from tests.stages.evaluate.tiny import train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = 20
ASKED_S = 3.0
HEAVY = ("torch", "numpy", "lm_eval", "datasets", "transformers")
SISTERS, MARKS = 50, 100
"""Other runs in the folder, and their done cells: the plan learns from them."""
SUITE = {"task": "suite:llama"}


def make_world(folder: Path) -> Path:
    """Write checkpoints, a tokenizer and the headers of all data sets; return the recipe."""
    splits: dict[Path, set[str]] = {}
    for cell in EvaluateConfig.model_validate({"tasks": [SUITE]}).cells():
        for leaf in read_index().leaves(cell.task):
            home = folder.joinpath("datasets", *folder_of(leaf.data), VERSION, HASH)
            splits.setdefault(home, set()).update(leaf.shape.splits)
    for home, names in splits.items():
        home.mkdir(parents=True)
        (home / INFO).write_text(json.dumps({"splits": {name: {"num_examples": 100} for name in names}}))
    for number in range(CHECKPOINTS):
        checkpoint = folder / "checkpoints" / f"step-{number}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "weights").write_bytes(number.to_bytes(1, "big") * 1_000_000)
    for number in range(SISTERS):
        write_sister(folder / "runs" / f"sister-{number}")
    evaluate = {
        "checkpoints": f"{folder}/checkpoints/*",
        "tokenizer": str(train_tokenizer(folder / "tokenizer")),
        "datasets": f"{folder}/datasets/*/*/*/*",
        "tasks": [SUITE],
    }
    (folder / "suite.yaml").write_text(yaml.safe_dump({"targets": ["evaluate"], "evaluate": evaluate}))
    return folder / "suite.yaml"


def write_sister(run: Path) -> None:
    """Write the estimates and the marks of another run's cells."""
    step = StepPaths(run / "steps" / "evaluate" / "0123456789ab")
    cost = {"core_seconds": 60.0, "kind": "own on cores", "like": "piqa"}
    units = {f"cell-{number}": cost for number in range(MARKS)}
    write_json(step.estimates, {"stage": "evaluate", "cluster": "local", "units": units})
    step.done.mkdir()
    for unit in units:
        step.mark(unit).write_text(json.dumps({"unit": unit, "seconds": 90.0}))


def plan(recipe: Path) -> tuple[float, float]:
    """Return the processor time of `launch.py plan`, and its time by the clock, in seconds.

    It fails if it imports what a login node has not.
    """
    hide = f"import sys; sys.modules.update(dict.fromkeys({HEAVY})); import launch; sys.exit(launch.main())"
    command = [sys.executable, "-c", hide, "plan", str(recipe), "--cluster", "local"]
    started, spent = time.perf_counter(), _children()
    environment = {**os.environ, "STAGECOACH_ENV": "none", "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=recipe.parent, env=environment, check=True, stdout=subprocess.DEVNULL)
    return _children() - spent, time.perf_counter() - started


def _children() -> float:
    """Return the processor time of the processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> int:
    """Print the medians of the rounds; with --check, return 1 if the processor time is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = make_world(Path(folder))
        seconds, by_clock = map(statistics.median, zip(*(plan(recipe) for _ in range(options.rounds)), strict=True))
    asked = f"{by_clock:.2f} s by the clock (asked: at most {ASKED_S:g} s)"
    print(f"plan of the suite llama on {CHECKPOINTS} checkpoints: {seconds:.2f} s of processor time, {asked}")
    return int(options.check and seconds > ASKED_S)


if __name__ == "__main__":
    sys.exit(main())
