"""The web stage's steps `extract` and `filter`, as an array element runs them: one side of web_chain.py.

Reads one JSON object from stdin, writes one to stdout.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from stages.shared.contract import InputFile
from stages.web.config import WebConfig
from stages.web.steps import extract, filter  # noqa: F401 - imported outside of the clock, as on the other side
from tests.stages.harness import run_unit

STEPS = ("extract", "filter")


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run(config: WebConfig, input_file: str, out: Path) -> None:
    """Run both steps over one file."""
    inputs = {"inputs": (InputFile(Path(input_file), "bench"),)}
    for step in config.plan(inputs).steps:
        if step.name in STEPS:
            run_unit(config, step, 0, inputs, out)


def main(order: dict[str, Any]) -> dict[str, Any]:
    """Warm up on `warm`, then run `input` with the clock on."""
    config = WebConfig(
        inputs="bench",
        extraction={"extractor": order["extractor"]},
        language={"languages": order["languages"]},
    )
    out = Path(order["out"])
    run(config, order["warm"], out / "warm")
    cpu, wall = cpu_seconds(), time.perf_counter()
    run(config, order["input"], out / "run")
    return {"cpu_s": cpu_seconds() - cpu, "wall_s": time.perf_counter() - wall}


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr
    json.dump(main(json.load(sys.stdin)), answers)
