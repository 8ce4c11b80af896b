"""A made-up evaluation of one training: checkpoints by step, tasks with questions, samples with their prompts."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stages.evaluate.scores import interval
from stages.formats.kinds import KINDS
from stages.formats.results import Base, Outcomes, Results, Score, about_base, write_lines, write_results
from stages.shared.contract import InputFile
from tests.stages.report.journey import evaluation_key, made

CHECKPOINTS = ("untrained", *(f"step-{100 * 2**n}" for n in range(6)), "final")
LETTERS = ("red", "green", "blue", "white")


@dataclass(frozen=True)
class MadeUp:
    """A task: a metric of right or wrong, and where its accuracy goes."""

    name: str
    metric: str
    limit: float
    chance: float | None = 0.25
    variant: str = ""
    shots: int = 0
    questions: int = 400


TASKS = (
    MadeUp("piqa", "acc_norm", 0.8, 0.5, "llama"),
    MadeUp("arc_easy", "acc_norm", 0.75, 0.25, "llama"),
    MadeUp("winogrande", "acc", 0.7, 0.5),
    MadeUp("mmlu", "acc", 0.26, 0.25, "", 5),
    MadeUp("gsm8k_cot", "exact_match (flexible-extract)", 0.1, None, "", 8, 60),
)
WORSE = ("arc_easy", "final", 0.12)
"""A task, a checkpoint, and what it loses there."""


def write_training_scores(
    folder: Path,
    checkpoints: Sequence[str] = CHECKPOINTS,
    tasks: Sequence[MadeUp] = TASKS,
    bases: Mapping[str, Base] = MappingProxyType({}),
) -> tuple[InputFile, ...]:
    """Write results and samples of every checkpoint on every task; return them as a section's files.

    `bases` holds the bases of checkpoints.
    """
    files: list[InputFile] = []
    for place, checkpoint in enumerate(checkpoints):
        for task in tasks:
            unit = f"{checkpoint}/{task.name}"
            (folder / unit).mkdir(parents=True)
            right = _right(task, checkpoint, place / max(1, len(checkpoints) - 1))
            write_results(folder / unit / "results.json", results_of(task, checkpoint, right), {"results": {}})
            write_lines(folder / unit / "samples.jsonl", [_sample(task, n, each) for n, each in enumerate(right)])
            found = [
                made(KINDS.results, "evaluate", folder / unit / "results.json", checkpoint, unit),
                made(KINDS.samples, "evaluate", folder / unit / "samples.jsonl", checkpoint, unit),
            ]
            files += [replace(file, about=about_base(bases.get(checkpoint))) for file in found]
    return tuple(files)


def _right(task: MadeUp, checkpoint: str, progress: float) -> list[float]:
    floor = task.chance or 0.0
    share = floor + (task.limit - floor) * (1 - math.exp(-3 * progress))
    if (task.name, checkpoint) == WORSE[:2]:
        share -= WORSE[2]
    draw, flip = random.Random(task.name), random.Random(task.name + checkpoint)
    return [float((draw.random() if flip.random() > 0.06 else flip.random()) < share) for _ in range(task.questions)]


def results_of(task: MadeUp, checkpoint: str, right: Sequence[float]) -> Results:
    """Return the results of a checkpoint that is right on these questions."""
    share = sum(right) / len(right)
    stderr = math.sqrt(share * (1 - share) / len(right))
    low, high = interval(share, stderr, right)
    score = Score(
        task=task.name, metric=task.metric, value=share, stderr=stderr, low=low, high=high, samples=len(right),
        chance=task.chance, higher_is_better=True,
    )  # fmt: skip
    outcomes = Outcomes(items=tuple(f"{n:016x}" for n in range(len(right))), values={task.metric: tuple(right)})
    key = evaluation_key(checkpoint, task.name, variant=task.variant, num_fewshot=task.shots)
    protocol = "Likeliest completion by characters, 0-shot." if task.variant else ""
    return Results(key=key, scores=(score,), outcomes={task.name: outcomes}, protocol=protocol)


def _sample(task: MadeUp, number: int, right: float) -> dict[str, Any]:
    name, _, rest = task.metric.partition(" (")
    filter_name = rest.rstrip(")") or "none"
    shots = "".join(f"Question: What colour has door {n}?\nAnswer: {LETTERS[n % 4]}\n\n" for n in range(task.shots))
    prompt = f"{shots}Question: What colour has house number {number} in Ashby's longest street?\nAnswer:"
    common = {"task": task.name, "doc_id": number, "doc_hash": f"{number:016x}" + "0" * 48, name: right}
    if task.chance is None:
        text = f" There are {number} houses.\nThe answer is {number if right else number + 1}."
        extracted = str(number if right else number + 1)
        asked = [[prompt, {"until": ["\n\n"]}]]
        return {
            **common, "filter": filter_name, "metrics": [name], "arguments": asked, "resps": [[text]],
            "filtered_resps": [extracted], "target": f"{number}",
        }  # fmt: skip
    chosen = number % 4 if right else (number + 1) % 4
    logprobs = [-1.0 if place == chosen else -9.0 for place in range(4)]
    return {
        **common, "filter": filter_name, "metrics": [name], "target": number % 4,
        "arguments": [[prompt, f" {each}"] for each in LETTERS],
        "resps": [[[logprob, False]] for logprob in logprobs],
        "filtered_resps": [[logprob, False] for logprob in logprobs],
    }  # fmt: skip
