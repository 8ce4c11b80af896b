"""Evaluation beside stock `lm_eval --model hf`: the same weights and requests, float32, one thread, processor time.

    python -m tests.bench.evaluate [--only NAME] [--rounds N] [--check]

A LLaMA of 35 M parameters with LLaMA's 32,000 pieces, untrained, and its release. Each turn is a process of its own;
turns alternate. Stock has its best batch size. Log-likelihoods and texts of both sides must agree.

    mmlu arc_easy piqa gsm8k   tasks; `tokens` is what is computed beside the distinct prefixes' tokens
    ragged                     generation from prompts without a common start, beside transformers' `generate`
    memory                     peaks on MMLU and GSM8K, stock at batch size 1
    start                      before the first request, with each side's own packages; stock reads its index of tasks
    answers                    other models: grouped queries, Mixtral, a folder whose texts begin with <s>

The data is in ../shared/data; without it nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stages.generate.memory import engine_memory, scoring_slots
from tests.bench.compare import Comparison, add_options, one_core, show
from tests.bench.evaluate_requests import OFFLINE, data
from tests.bench.evaluate_world import MODEL, VARIANTS, begin_with_bos, llama_pieces, make_world

ROOT = Path(__file__).parents[2]
STEP = 768
"""Our tokens of a step."""


@dataclass(frozen=True)
class Row:
    """Requests, and what is asked of us."""

    task: str
    batch: int
    """Stock's best batch size."""
    asked: float
    unit: str = "request"


ROWS = (
    Row("mmlu", 8, 8.0),
    Row("arc_easy", 1, 5.0),
    Row("piqa", 16, 1.2),
    Row("gsm8k", 8, 2.0, "text"),
    Row("ragged", 24, 2.0, "text"),
)
TOKENS, MEMORY, START = 1 / 1.15, 1.0, 1 / 0.6
"""Least ratios of the distinct prefixes' tokens to ours, of stock's peak to ours, of stock's start to ours."""


APART = 1e-3
"""Nats by which a log-likelihood may differ from stock's."""


def turn(world: Path, side: str, task: str, batch: int) -> dict[str, Any]:
    """Return what a process of its own measured."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.evaluate_side", side, str(world), task, str(batch)]
    environment = {**os.environ, **OFFLINE}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    if done.returncode:
        raise RuntimeError(f"{side} on {task} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(world: Path, row: Row, rounds: int) -> list[Comparison]:
    """Return the rates of both sides, and for scores the tokens."""
    turns = [(turn(world, "ours", row.task, STEP), turn(world, "stock", row.task, row.batch)) for _ in range(rounds)]
    ours, theirs = (min((pair[at] for pair in turns), key=lambda found: found["seconds"]) for at in (0, 1))
    agree(row.task, ours["answers"], theirs["answers"])
    count = len(ours["answers"])
    rates = [count / side["seconds"] for side in (ours, theirs)]
    note = f"peak {ours['peak_mb']:,.0f} MB against {theirs['peak_mb']:,.0f}"
    against = f"lm_eval, batch {row.batch}"
    found = [Comparison(row.task, row.unit, rates[0], rates[1], against, row.asked, note)]
    if ours["distinct"]:
        found.append(_tokens(row.task, ours))
    return found


def _tokens(task: str, ours: dict[str, Any]) -> Comparison:
    least, spent = ours["distinct"], ours["tokens"]
    note = f"{spent:,} tokens for {least:,}"
    return Comparison(f"{task}, tokens", "distinct token", 1 / spent, 1 / least, "each once", TOKENS, note)


def agree(task: str, ours: list[Any], theirs: list[Any]) -> float:
    """Return the largest difference of a log-likelihood. Raises if one is over 1e-3, or if flags or texts differ."""
    largest = 0.0
    if isinstance(ours[0], str):
        apart = sum(mine != other for mine, other in zip(ours, theirs, strict=True))
    else:
        pairs = list(zip(ours, theirs, strict=True))
        apart = sum(abs(mine[0] - other[0]) > APART or mine[1] != other[1] for mine, other in pairs)
        largest = max(abs(mine[0] - other[0]) for mine, other in pairs)
    if apart:
        raise RuntimeError(f"{task}: {apart} of {len(ours)} answers differ from stock's")
    return largest


def compare_answers(world: Path, root: Path, _rounds: int) -> list[Comparison]:
    """Return how far log-likelihoods of other models are from stock's; raises if flags, texts or more differ."""
    found = []
    for name, config in VARIANTS.items():
        folder = world / name
        make_world(folder, llama_pieces(root), config)
        if config is [*VARIANTS.values()][-1]:
            begin_with_bos(folder)
        largest = 0.0
        for task in ("all", "gsm8k"):
            ours, theirs = (
                turn(folder, side, task, batch)["answers"] for side, batch in (("ours", STEP), ("stock", 4))
            )
            largest = max(largest, agree(f"{name}, {task}", ours, theirs))
        found.append(Comparison(f"answers, {name}", "nat", 1 / largest, 1 / APART, "1e-3", 1.0, f"{largest:.1e} nats"))
    return found


def compare_memory(world: Path, _rounds: int) -> list[Comparison]:
    """Return our peaks and stock's at batch size 1; and the growth while scoring beside its bound."""
    found = []
    for task in ("gsm8k", "mmlu"):
        mine, stock = turn(world, "ours", task, STEP), turn(world, "stock", task, 1)
        ours, theirs = mine["peak_mb"], stock["peak_mb"]
        note = f"{ours:,.0f} MB, {theirs:,.0f} MB"
        found.append(Comparison(f"memory, {task}", "MB", 1 / ours, 1 / theirs, "batch 1", MEMORY, note))
    weights = 4 * MODEL.num_parameters(MODEL.num_rows(32_000))
    bound = (engine_memory(MODEL, 32_000, 4, STEP, slots=scoring_slots(MODEL, STEP)).total - weights) / 1e6
    growth = Comparison("memory, growth", "MB", 1 / mine["grown_mb"], 1 / bound, "the bound", 1.0, f"{bound:,.0f} MB")
    return [*found, growth]


def compare_start(world: Path, rounds: int) -> list[Comparison]:
    """Return the processor time before the first request."""
    turns = [(turn(world, "ours", "none", STEP), turn(world, "stock", "none", 1)) for _ in range(rounds)]
    ours, theirs = (min(pair[at]["ready"] for pair in turns) for at in (0, 1))
    return [Comparison("start", "start", 1 / ours, 1 / theirs, "lm_eval", START, f"{ours:.1f} s, {theirs:.1f} s")]


def main() -> int:
    """Compare what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, [*(row.task for row in ROWS), "memory", "start", "answers"])
    options = parser.parse_args()
    root = data()
    if root is None:
        print("no data: evaluate is not measured")
        return 0
    one_core()
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        make_world(world, llama_pieces(root))
        subjects: dict[str, Callable[[int], list[Comparison]]] = {
            row.task: partial(compare, world, row) for row in ROWS
        }
        subjects |= {"memory": partial(compare_memory, world), "start": partial(compare_start, world)}
        subjects["answers"] = partial(compare_answers, world, root)
        return show(subjects, options)


if __name__ == "__main__":
    sys.exit(main())
