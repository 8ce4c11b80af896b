"""The formats of evaluation: results and generations. Written by `evaluate`, read by the report.

A unit of `evaluate` is one (checkpoint, task) and holds

    results.json      lm-eval's own results (results, configs, versions, n-shot, n-samples, higher_is_better) and, under
                      "stagecoach", the key that names the measurement and the flat list of its scores
    samples.jsonl     lm-eval's record of every sample: document, requests, answers, metrics
    generations.jsonl instead of both, for the task `generate`: one continuation a line

No content depends on time, place or user.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.shared.errors import DataError
from stages.shared.files import write_atomic, write_json

UNTRAINED = "untrained"
"""Source of the checkpoint that a training writes before its first step: scores are compared with it."""
OURS = "stagecoach"
"""The one name that is added to lm-eval's results."""
REMEDY = "Remove this unit and run `evaluate` again"


@dataclass(frozen=True, kw_only=True)
class EvaluationKey:
    """Names a measurement: equal keys mean the same measurement, in any run."""

    checkpoint: str
    """Identity of the weights: the digest of the checkpoint's complete.json."""
    source: str
    """The run's name of the checkpoint: final, untrained, ..."""
    task: str
    num_fewshot: int
    harness: str
    """Name and version of the harness: lm-eval 0.4.13."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number with everything that a comparison needs."""

    task: str
    """The task, or a subtask of a group."""
    metric: str
    value: float
    stderr: float | None
    """Standard error of `value`; None if there is none (one sample)."""
    samples: int
    chance: float | None
    """The value of guessing; None if guessing has no meaning."""
    higher_is_better: bool


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One continuation of one prompt."""

    checkpoint: str
    source: str
    prompt: str
    continuation: str
    tokens: int
    """Generated tokens."""
    stopped: str
    """`eos` if the model ended the text, `length` if the limit did."""
    temperature: float
    """0: greedy."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Our part of results.json."""

    key: EvaluationKey
    scores: tuple[Score, ...]


def write_results(path: Path, results: Results, harness_results: Mapping[str, Any]) -> None:
    """Write lm-eval's results with the key and the scores added."""
    ours = {"key": asdict(results.key), "scores": [asdict(score) for score in results.scores]}
    write_json(path, {**harness_results, OURS: ours})


def read_results(path: Path) -> Results:
    """Return our part of a results.json. Raises DataError if the file has none."""
    try:
        ours = json.loads(path.read_text(encoding="utf-8"))[OURS]
        scores = tuple(Score(**score) for score in ours["scores"])
        return Results(key=EvaluationKey(**ours["key"]), scores=scores)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(path, f"not an evaluation result ({error!r})", REMEDY) from error


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write JSONL with sorted keys, atomically."""
    lines = (json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records)
    write_atomic(path, "".join(lines).encode("utf-8", errors="replace"))


def write_generations(path: Path, generations: Iterable[Generation]) -> None:
    """Write one generation a line, in order."""
    write_lines(path, (asdict(generation) for generation in generations))


def read_generations(path: Path) -> Iterator[Generation]:
    """Yield the generations of a file in order. Raises DataError, naming file and line, for a line that is none."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield Generation(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise DataError(path, f"not a generation ({error})", REMEDY, record=number) from error
