"""The format of plan scores: how far plans are the right ones, as TaskBench counts it (arXiv:2311.18760).

    plan_scores.json   {"source", "requests", "kinds": {kind: {measure: {"right", "planned", "wanted"}}}, ...}

Kinds: `plans`, and the controls: `another`, the plan of another request; `random`, tasks drawn from all right plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json

Measure = Literal["nodes", "edges", "arguments", "values"]
"""`nodes`: names of tasks. `edges`: pairs of names, where the second needs the first. `arguments`: names of a task's
arguments; `values`: with their values."""
MEASURES: tuple[Measure, ...] = get_args(Measure)
PlanKind = Literal["plans", "another", "random"]
PLAN_KINDS: tuple[PlanKind, ...] = get_args(PlanKind)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What plans and right plans have in common, over all requests."""

    right: int = 0
    planned: int = 0
    wanted: int = 0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, from 0 to 1; 0 where nothing is planned or wanted."""
        total = self.planned + self.wanted
        return 2 * self.right / total if total else 0.0

    def plus(self, other: Overlap) -> Overlap:
        """Return the sum."""
        return Overlap(
            right=self.right + other.right, planned=self.planned + other.planned, wanted=self.wanted + other.wanted
        )


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Answers that hold what a right one holds."""

    right: int = 0
    of: int = 0
    by_chance: int = 0
    """Answers to other requests that hold it."""


@dataclass(frozen=True, kw_only=True)
class PlanScores:
    """Counts over the requests of one file."""

    source: str
    requests: int
    """Requests with a right plan."""
    unplanned: int
    """Of these, requests for whose right plan has tasks and the plan none."""
    kinds: Mapping[str, Mapping[str, Overlap]]
    """By kind and measure."""
    answers: Mapping[str, Answered] = field(default_factory=dict)
    """By language."""
    states: Mapping[str, int] = field(default_factory=dict)
    """Tasks by state: done, failed, skipped."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Tasks that were not done, by reason."""
    samples: tuple[Mapping[str, Any], ...] = ()
    """Some requests with plan, results and answer, to read."""

    def f1(self, kind: PlanKind, measure: Measure) -> float:
        """Return a score."""
        return self.kinds[kind][measure].f1


def write_plan_scores(path: Path, scores: PlanScores) -> None:
    """Write scores, atomically."""
    write_json(path, asdict(scores))


def read_plan_scores(path: Path) -> PlanScores:
    """Return the scores of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        kinds = {
            kind: {measure: Overlap(**counts) for measure, counts in measures.items()}
            for kind, measures in value["kinds"].items()
        }
        answers = {language: Answered(**each) for language, each in value["answers"].items()}
        return PlanScores(**{**value, "kinds": kinds, "answers": answers, "samples": tuple(value["samples"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not plan scores ({error!r})", "Run the unit that wrote it again") from error
