"""A round of PPO beside TRL's PPOTrainer, and generation beside transformers', alternating on one core.

    python -m tests.bench.ppo [--only step-32|step-64|generation] [--rounds 3] [--check]

Needs trl 1.12.0, the last one with a PPOTrainer, and datasets, which are no pins of the project: make a virtual
environment with them beside the project's. Both sides have a policy, a value network, a reference and a reward model of
the same shape (4 layers of 192, a vocabulary of 1,024), 32 prompts of 32 tokens a round, four updates, one epoch. A
rate is of sampled tokens, in processor seconds of the whole round. Generation samples 64 tokens for 32 prompts of 8 to
96.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from tests.bench.compare import Comparison, add_options, show
from tests.stages.align.sft.world import write_world

SIDE = "tests.bench.ppo_side"
ASKED = {"step-32": 1 / 0.6, "step-64": 1 / 0.6, "generation": 2.0}


def compare(subject: str, rounds: int) -> list[Comparison]:
    """Compare the sides of a subject: each runs in a process of its own, in turn."""
    found = {"ours": 0.0, "theirs": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder))
        for _ in range(rounds):
            for side in found:
                command = [sys.executable, "-m", SIDE, subject, side, folder]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise RuntimeError(f"{subject}, {side}: {done.stderr[-3000:]}")
                shown = json.loads(done.stdout.splitlines()[-1])
                found[side] = max(found[side], shown["rate"])
                print(f"{subject} {side}: {shown}", file=sys.stderr)
    against = "transformers" if subject == "generation" else "TRL's PPOTrainer"
    return [Comparison(subject, "token", found["ours"], found["theirs"], against, ASKED[subject])]


def main() -> int:
    """Measure and print; with --check, fail if a ratio is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, ASKED)
    options = parser.parse_args()
    if absent := [name for name in ("trl", "datasets") if find_spec(name) is None]:
        sys.exit(f"tests.bench.ppo: {', '.join(absent)} missing. pip install trl==1.12.0 in an environment of its own")
    return show({subject: partial(compare, subject) for subject in ASKED}, options)


if __name__ == "__main__":
    sys.exit(main())
