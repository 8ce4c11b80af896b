"""Our training step against a plain transformers loop: the same weights, data, optimizer and threads.

Ours is the stage `pretrain`, loop and all; theirs is what a careful user writes (tests/bench/train_speed_theirs.py).
Each turn is a process of its own, bound to as many cores as it has threads: the sides then share no allocator, no
settings of torch and no caches, and memory is a side's own. Turns alternate, so that the machine's noise hits both. A
round's time is the median of its steps, a side's the best of its rounds: processor seconds with one thread, seconds on
the clock with more. Both must have had the same losses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.compare import Comparison
from tests.bench.train_data import write_batches, write_data, write_weights

ROOT = Path(__file__).parents[2]
WARM, STEPS = 2, 10
OURS, THEIRS = "tests.bench.train_speed_ours", "tests.bench.train_speed_theirs"
TOLERANCE = 1e-3
"""Nats a token that two losses may be apart: roundings, which AdamW carries on."""


@dataclass(frozen=True)
class Case:
    """What both sides train."""

    name: str
    model: dict[str, int]
    tokens: int
    """Of a batch."""
    threads: int = 1
    cores: int = 1
    """What a side is bound to; with one, time is the processor's, which other work on the machine disturbs less."""
    more: dict[str, Any] = field(default_factory=dict)
    """Settings of the stage beside these."""

    @property
    def settings(self) -> dict[str, Any]:
        """The stage's settings."""
        sequences = self.tokens // self.model["seq_len"]
        own = {"model": self.model, "global_batch": sequences, "microbatch": sequences}
        rest = {"steps": STEPS, "warmup_steps": 2, "lr": 1e-3, "checkpoint_every": STEPS, "threads": self.threads}
        return {**own, **rest, "tensorboard": False, **self.more}


@dataclass(frozen=True)
class Turn:
    """What a process measured."""

    steps: list[float]
    """Seconds of each."""
    peak_mb: float
    """Growth of the process beyond what its imports take."""
    losses: list[float]

    @property
    def seconds(self) -> float:
        """The median step's, once warm."""
        return sorted(self.steps[WARM:])[len(self.steps[WARM:]) // 2]


SMALL = {"num_layers": 6, "dim": 384, "num_heads": 6, "ffn_dim": 1024}
CASES = [
    Case(
        name=f"{seq_len:,} tokens, {threads} thread{'s' * (threads > 1)}",
        model={**SMALL, "seq_len": seq_len},
        tokens=2048,
        threads=threads,
        cores=threads,
    )
    for seq_len in (256, 1024)
    for threads in (1, 2)
]


def comparisons(rounds: int) -> list[Comparison]:
    """Return tokens a second of both at 256 and 1,024 tokens a sequence, on one thread and on two."""
    return compared(CASES, rounds)


def compared(cases: list[Case], rounds: int) -> list[Comparison]:
    """Return a comparison a case."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        for number, case in enumerate(cases):
            part = folder / str(number)
            part.mkdir()
            write_weights(part / "llama", case.model)
            write_batches(folder, part, case.settings)
            found.append(compare(case, folder, part, rounds))
    return found


def compare(case: Case, data: Path, part: Path, rounds: int) -> Comparison:
    """Return one comparison."""
    turns: dict[str, list[Turn]] = {OURS: [], THEIRS: []}
    for number in range(rounds):
        for side, taken in turns.items():
            taken.append(take_turn(side, case, data, part, part / f"{number}-{side}"))
    _must_agree(case, turns[OURS][0].losses, turns[THEIRS][0].losses)
    ours, theirs = (min(taken, key=lambda turn: turn.seconds) for taken in turns.values())
    return Comparison(
        name=case.name,
        unit="tokens",
        ours=case.tokens / ours.seconds,
        theirs=case.tokens / theirs.seconds,
        against="transformers",
        asked=1.0,
        note=f"{ours.peak_mb:,.0f} MB, theirs {theirs.peak_mb:,.0f} MB",
    )


def take_turn(side: str, case: Case, data: Path, part: Path, work: Path) -> Turn:
    """Run a side once, in a process of its own."""
    order = {"data": str(data), "part": str(part), "work": str(work), "settings": case.settings}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(case.threads)}
    bound = sorted(os.sched_getaffinity(0))[-case.cores :]
    done = subprocess.run(
        ["taskset", "-c", ",".join(map(str, bound)), sys.executable, "-W", "ignore", "-m", side, json.dumps(order)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    return Turn(answer["cpu" if case.cores == 1 else "wall"], answer["peak_mb"], answer["losses"])


def _must_agree(case: Case, ours: list[float], theirs: list[float]) -> None:
    apart = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    if not apart <= TOLERANCE:
        raise SystemExit(f"{case.name}: losses are {apart:.2g} nats apart: the sides do not train the same")
