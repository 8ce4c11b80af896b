"""LLaVA's first stage beside a plain transformers loop on one core: the join learns captions, the rest is frozen.

    python -m tests.bench.vision [--rounds 2] [--check]

Both sides start from the same weights and take the same samples in the same steps, four epochs. Ours packs rows and
encodes each picture once; the loop loads and encodes a picture whenever it comes and pads a batch to its longest
sample, as LlavaForConditionalGeneration's training scripts do. The losses of all steps are compared. A rate is of
samples, in processor seconds from the first step's start to the last one's end. How pictures are prepared is compared
by tests.bench.pictures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.compare import Comparison, add_options, show

SIDE = "tests.bench.vision_side"
ASKED = 1.5
TOLERANCE = 2e-3
"""In nats: the two sides' pixels differ by up to 1 of 255 (tests.bench.pictures)."""


def measured(side: str, world: Path) -> dict[str, Any]:
    """Return what a side reports, run in a process of its own."""
    command = [sys.executable, "-m", SIDE, side, str(world)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{side}: {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{side}: {found['rate']:.1f} samples/s", file=sys.stderr)
    return found


def compare(rounds: int) -> list[Comparison]:
    """Run both sides in turn, and compare their losses and the best rate of each."""
    rates = {"ours": 0.0, "theirs": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            found = {side: measured(side, Path(folder)) for side in rates}
            rates = {side: max(rates[side], found[side]["rate"]) for side in rates}
    losses = [found[side]["losses"] for side in rates]
    worst = max(abs(one - other) for one, other in zip(*losses, strict=True))
    if not worst < TOLERANCE:
        raise AssertionError(f"losses up to {worst:.5f} apart: {losses}")
    note = f"loss {losses[0][0]:.3f} to {losses[0][-1]:.3f}, at most {worst:.1e} apart"
    return [Comparison("the join alone", "sample", rates["ours"], rates["theirs"], "transformers", ASKED, note)]


def main() -> int:
    """Measure and print; with --check, fail if the ratio is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, ["join"])
    return show({"join": compare}, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
