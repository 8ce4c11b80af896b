"""Fine-tuning beside TRL's SFTTrainer, and its data beside `datasets.map`, alternating on one core.

    python -m tests.bench.sft [--only speed|data] [--rounds 3] [--check]

Needs trl and datasets, which are no pins of the project: make a virtual environment with them beside the project's.
Both sides train the same model on the same examples, packed best fit decreasing and apart in attention; a rate is of
tokens that are no padding, in processor seconds of the steps after the first. Data: chats to ids by the same template;
ours also makes masks, counts and files. The ids are compared.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.kinds import KINDS
from tests.bench.compare import Comparison, add_options, show
from tests.stages.align.sft.world import write_world

SIDE = "tests.bench.sft_side"
ASKED = {"speed": 3.0, "data": 5.0}
CHATS = {"speed": 3000, "data": 100_000}


def drawn_chats(count: int) -> list[Chat]:
    """Return chats of 8 to 124 tokens or so, all lengths equally often, half of them answers."""
    draw = random.Random(4)
    words = ["price", "bread", "milk", "pence", "Amble", "Corby", "What", "is", "the", "of", "in"]
    found = []
    for number in range(count):
        size = draw.randint(2, 27)
        texts = [" ".join(draw.choices(words, k=max(1, size // 2))) for _ in range(2)]
        messages = (text_message("user", texts[0]), text_message("assistant", texts[1]))
        found.append(Chat(id=str(number), messages=messages))
    return found


def best(subject: str, world: Path, rounds: int) -> dict[str, float]:
    """Return the best rate of each side: each runs in a process of its own, in turn."""
    found = {"ours": 0.0, "theirs": 0.0}
    shown: dict[str, Any] = {}
    for _ in range(rounds):
        for side in found:
            command = [sys.executable, "-m", SIDE, subject, side, str(world)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{subject}, {side}: {done.stderr[-3000:]}")
            shown[side] = json.loads(done.stdout.splitlines()[-1])
            found[side] = max(found[side], shown[side]["rate"])
            print(f"{subject} {side}: {shown[side]}", file=sys.stderr)
    if shown["ours"]["same"] != shown["theirs"]["same"]:
        raise AssertionError(f"the sides did not do the same: {shown}")
    return found


def compare(subject: str, rounds: int) -> list[Comparison]:
    """Compare the sides of a subject."""
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        write_world(world)
        write_chats(world / KINDS.chats.file, drawn_chats(CHATS[subject]))
        rates = best(subject, world, rounds)
    names = {"speed": ("a step of fine-tuning", "token"), "data": ("chats to ids", "chat")}
    against = {"speed": "TRL, bfd", "data": "datasets.map"}
    return [Comparison(*names[subject], rates["ours"], rates["theirs"], against[subject], ASKED[subject])]


def main() -> int:
    """Measure and print; with --check, fail if a ratio is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, ASKED)
    options = parser.parse_args()
    if absent := [name for name in ("trl", "datasets") if find_spec(name) is None]:
        sys.exit(f"tests.bench.sft: {', '.join(absent)} missing. pip install trl in an environment of its own")
    return show({subject: partial(compare, subject) for subject in ASKED}, options)


if __name__ == "__main__":
    sys.exit(main())
