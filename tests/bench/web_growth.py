"""How the web stage grows: every step's processor time and peak memory on 1, 4 and 16 times the sample web.

Run as a program it does one step, in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.sample.config import SampleConfig
from stages.shared.contract import InputFile
from stages.web.config import WebConfig
from tests.bench.compare import Comparison
from tests.stages.harness import run_stage, run_unit

ROOT = Path(__file__).parents[2]
SCALES = (1, 4, 16)
PAGES_PER_FILE = 600
FILES = 2
"""WARC files at scale 1: one a dump."""
TOLERANCE = 0.15
TICK_S = 0.01
"""What the clock can tell apart."""
SHORTEST_S = 5 * TICK_S
"""Steps that take less at the middle scale are shown, not judged."""


@dataclass(frozen=True)
class Growth:
    """One step at all scales."""

    step: str
    seconds: tuple[float, ...]
    """Processor time of all units, without the start of the process."""
    megabytes: tuple[float, ...]
    """Peak memory of the process that did one unit after the other."""

    @property
    def ratio(self) -> float:
        """Time a page at the largest scale over that at the middle one, where constant costs no longer count."""
        return (self.seconds[-1] / SCALES[-1]) / (max(self.seconds[1], TICK_S) / SCALES[1])


def config(scale: int) -> WebConfig:
    """Return the settings for a scale: a part of exact deduplication has as many pages at every scale."""
    return WebConfig(
        inputs="x",
        dedup={"preset": "fineweb", "bucket_units": 2},
        exact={"parts": scale},
    )


def measure_all() -> list[Growth]:
    """Return every step's growth."""
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for scale in SCALES:
            folder = Path(name) / str(scale)
            sample = SampleConfig(pages=PAGES_PER_FILE * FILES * scale, files_per_dump=FILES * scale // 2)
            files = [[str(file.path), file.source] for file in run_stage(sample, {}, folder / "sample")["warc"]]
            for step in config(scale).plan({"inputs": tuple(InputFile(Path(p), s) for p, s in files)}).steps:
                found.setdefault(step.name, []).append(_measure(scale, step.name, files, folder / "web"))
    return [Growth(step, *(tuple(column) for column in zip(*rows, strict=True))) for step, rows in found.items()]


def _measure(scale: int, step: str, files: list[list[str]], folder: Path) -> tuple[float, float]:
    command = [sys.executable, "-m", "tests.bench.web_growth", json.dumps([scale, step, files, str(folder)])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    seconds, megabytes = json.loads(answer.stdout.splitlines()[-1])
    return seconds, megabytes


def _one_step(scale: int, step: str, files: list[list[str]], folder: str) -> tuple[float, float]:
    settings = config(scale)
    inputs: dict[str, Any] = {"inputs": tuple(InputFile(Path(path), source) for path, source in files)}
    (chosen,) = (each for each in settings.plan(inputs).steps if each.name == step)
    _warm_up(settings, chosen, inputs, Path(folder))
    # Forgets the peak so far: a process begins with its parent's, and the warm-up is not to count.
    Path("/proc/self/clear_refs").write_text("5")
    start = _cpu_seconds()
    for place in range(len(chosen.units)):
        run_unit(settings, chosen, place, inputs, Path(folder))
    return _cpu_seconds() - start, _peak_mb()


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1e3


def _warm_up(settings: WebConfig, step: Any, inputs: dict[str, Any], folder: Path) -> None:
    """Do one unit aside, for imports, compiled functions and the block list."""
    with tempfile.TemporaryDirectory() as aside:
        (Path(aside) / "steps").mkdir()
        for done in (folder / "steps").iterdir() if (folder / "steps").exists() else ():
            (Path(aside) / "steps" / done.name).symlink_to(done)
        run_unit(settings, step, 0, inputs, Path(aside))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def comparisons(rounds: int) -> list[Comparison]:
    """Print the table of growth; return how linear each step is: time a page at the middle scale over the largest."""
    found = measure_all()
    print(table(found))
    return [
        Comparison(
            name=f"growth, {growth.step}, {SCALES[-1]}x",
            unit="pages",
            ours=PAGES_PER_FILE * FILES * SCALES[-1] / growth.seconds[-1],
            theirs=PAGES_PER_FILE * FILES * SCALES[1] / growth.seconds[1],
            against=f"{SCALES[1]}x",
            asked=1 - TOLERANCE,
        )
        for growth in found
        if growth.seconds[1] > SHORTEST_S
    ]


def table(found: list[Growth]) -> str:
    """Return seconds and MB at each scale, and the time a page at the largest scale over the middle one."""
    head = ["step", *(f"{scale}x s" for scale in SCALES), *(f"{scale}x MB" for scale in SCALES), "16x / 4x, a page"]
    rows = [
        [g.step, *(f"{s:.2f}" for s in g.seconds), *(f"{m:.0f}" for m in g.megabytes), f"{g.ratio:.2f}"] for g in found
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]
    )


if __name__ == "__main__":
    print(json.dumps(_one_step(*json.loads(sys.argv[1]))))
