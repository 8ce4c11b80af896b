"""A run of 100,000 units on a simulated Slurm, failed at random and healed: `python -m tests.bench.operations`.

Sizes 1,000, 10,000 and 100,000 (`--sizes`). Each run is planned, submitted, left to a cluster on which 4% of all starts
fail in one of five ways (tests/simulated/work.py), and healed to its end by calls of `heal`. Verbs run in processes of
their own; times are processor time; that of `status` is the largest while the run is in flight. Files are those of the
run's folder without the outputs of its units. `--check`: exit code 1 if a demand of the largest size is not met.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.paths import RunPaths
from jobs.submit.ledger import Ledger
from tests.bench.units import ARRAY, Cost, Subject
from tests.jobs.toy_stage import make_code_root
from tests.simulated.commands import Door
from tests.simulated.slurm import Slurm
from tests.simulated.work import Workers

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 40
PLAN_S, STATUS_S, MEMORY_MB, FILES, CONSTANT, GROWTH = 5.0, 2.0, 500.0, 0.1, 1_500, 2.0
"""What is asked at the largest size; GROWTH: seconds a unit over those of the smallest size but one."""


@dataclass(frozen=True)
class Measured:
    """One run from its plan to its end."""

    units: int
    plan: Cost
    submit: Cost
    status: Cost
    """The costliest one while the run was in flight."""
    heal: Cost
    """The costliest one."""
    calls: int
    """Of `run` and `heal` together."""
    sbatch: int
    arrays: int
    """Arrays on record."""
    faults: int
    twice: int
    """Units that were computed more than once."""
    left: int
    """Elements in the queue at the end."""
    files: int


def measure(units: int, code: Path, home: Path) -> Measured:
    """Run a journey of so many units to its end and return what it cost."""
    subject = Subject("toy", code, home, units)
    paths = RunPaths(home / "runs" / "toy")
    workers = Workers(paths, seed=units)
    slurm = Slurm(workers.work, workers.ended, max_array_size=ARRAY)
    with Door(slurm, home) as door:
        subject.bin = door.bin
        plan = subject.launch("plan")
        submit = subject.launch("run", codes=(0, 1))
        status, heal = [], [Cost(0.0, 0.0, "")]
        for calls in range(2, ROUNDS):  # noqa: B007  (reported)
            slurm.advance(200.0)
            status.append(subject.launch("status", "--json", codes=(0, 1)))
            if json.loads(status[-1].output)["finished"]:
                break
            slurm.drain()
            slurm.purge()
            heal.append(subject.launch("heal", codes=(0, 1)))
        else:
            raise RuntimeError(f"not finished after {ROUNDS} calls: {status[-1].output[:2000]}")
        heal.append(subject.launch("heal"))  # packs
        left = sum(len(array.elements) - array.over for array in slurm.arrays.values())
    entries = [entry for entry in Ledger(paths).submissions() if entry.slurm_id]
    files = Counter(path.relative_to(paths.root).parts[0] for path in _files(paths.root))
    return Measured(
        units=units,
        plan=plan,
        submit=submit,
        status=max(status, key=lambda cost: cost.seconds),
        heal=max(heal, key=lambda cost: cost.seconds),
        calls=calls,
        sbatch=slurm.sbatch_calls,
        arrays=len(entries),
        faults=workers.met.total(),
        twice=sum(count > 1 for count in workers.computed.values()),
        left=left,
        files=sum(files.values()) - files["code"],
    )


def _files(root: Path) -> list[Path]:
    """Return the files of a run's folder without outputs of units."""
    return [path for path in root.rglob("*") if "units" not in path.parts and path.is_file()]


def demands(found: Sequence[Measured]) -> list[tuple[str, float, float]]:
    """Return what is asked of the largest size: words, value, and the most that is allowed."""
    last = found[-1]
    memory = max(cost.megabytes for cost in (last.plan, last.submit, last.status, last.heal))
    asked = [
        ("plan, s", last.plan.seconds, PLAN_S),
        ("status, s", last.status.seconds, STATUS_S),
        ("memory of any verb, MB", memory, MEMORY_MB),
        ("sbatch calls beyond arrays", last.sbatch - last.arrays, 0),
        ("units computed twice", last.twice, 0),
        ("elements left in the queue", last.left, 0),
        ("files beyond 0.1 a unit", last.files - FILES * last.units, CONSTANT),
    ]
    if len(found) > 1:
        growth = (last.plan.seconds / last.units) / (found[-2].plan.seconds / found[-2].units)
        asked.append(("plan's seconds a unit over the size before", growth, GROWTH))
    return asked


def main() -> int:
    """Print the table and the demands; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit code 1 if a demand is not met")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    arguments = parser.parse_args()
    found: list[Measured] = []
    print("units     plan s   run s  status s  heal s  most MB  calls  sbatch  faults  files")
    with tempfile.TemporaryDirectory(prefix="so-") as folder:
        code = make_code_root(Path(folder) / "code")
        for size in arguments.sizes:
            each = measure(size, code, Path(folder) / str(size))
            found.append(each)
            memory = max(cost.megabytes for cost in (each.plan, each.submit, each.status, each.heal))
            print(
                f"{each.units:<8,} {each.plan.seconds:7.2f} {each.submit.seconds:7.2f} {each.status.seconds:9.2f} "
                f"{each.heal.seconds:7.2f} {memory:8.0f} {each.calls:6} {each.sbatch:7} {each.faults:7} {each.files:6}",
                flush=True,
            )
    checked = demands(found)
    for what, got, most in checked:
        print(f"{'ok  ' if got <= most else 'FAIL'} {what}: {got:.2f}, at most {most:g}")
    return int(arguments.check and any(got > most for _, got, most in checked))


if __name__ == "__main__":
    raise SystemExit(main())
