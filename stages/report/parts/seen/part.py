"""The part about questions on pictures: scores beside their blind controls, and answers beside the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from stages.formats.kinds import KINDS
from stages.formats.results import Results, Score, main_metric_order, read_results
from stages.formats.seen import Answered, Seen, read_seen
from stages.report.part import Material, Missing, Part, View, not_run

BLIND = ("pictures-shuffled", "pictures-none")
"""Variants of the blind controls, as `evaluate` names them."""
MAX_SHOWN = 6
"""Questions of a task that are shown."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The score of a task with its pictures, and without."""

    source: str
    task: str
    metric: str
    shown: Score
    shuffled: Score | None
    none: Score | None

    @property
    def verdict(self) -> str:
        """`sees`: the interval lies above those of the controls; `blind`: it does not; `unclear`: no control, or one
        whose interval does not hold the level of chance.
        """
        controls = [each for each in (self.shuffled, self.none) if each is not None]
        if not controls or not all(map(_is_at_chance, controls)):
            return "unclear"
        sees = all((self.shown.low or 0.0) > (each.high or 0.0) for each in controls)
        return "sees" if sees else "blind"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question with the answers to it, by what was shown."""

    question: Answered
    pictures: tuple[str, ...]
    """Data URLs."""
    blind: Mapping[str, Answered]


def show(material: Material) -> View | Missing:
    """Return scores and questions of one section."""
    files = material.of(KINDS.seen)
    if not files:
        return not_run(f"section {material.section} has asked nothing on pictures")
    seen = {file.unit: read_seen(file.path) for file in files}
    results = {file.unit: read_results(file.path) for file in material.of(KINDS.results) if file.unit in seen}
    return view(results, seen)


def view(results: Mapping[str, Results], seen: Mapping[str, Seen]) -> View:
    """Return the table and the questions, both by unit. Pure."""
    by_blind: dict[tuple[str, str], dict[str, str]] = {}
    for unit, result in results.items():
        blind = next((name for name in BLIND if name in result.key.variant.split(",")), "")
        by_blind.setdefault((unit.rpartition("/")[0], result.key.task), {})[blind] = unit
    rows = [row for (source, _), units in by_blind.items() for row in _rows(source, units, results)]
    newest = list(by_blind)[-1][0] if by_blind else ""
    asked = [each for (source, _), units in by_blind.items() if source == newest for each in _asked(units, seen)]
    return View(values={"rows": rows, "asked": asked, "newest": newest})


def _rows(source: str, units: Mapping[str, str], results: Mapping[str, Results]) -> list[Row]:
    if "" not in units:
        return []
    scores = {blind: _by_name(results[unit].scores) for blind, unit in units.items()}
    found = []
    for task in dict.fromkeys(score.task for score in results[units[""]].scores):
        metrics = [metric for name, metric in scores[""] if name == task]
        metric = min(metrics, key=partial(main_metric_order, task, ""))
        shuffled, none = (scores.get(blind, {}).get((task, metric)) for blind in BLIND)
        shown = scores[""][task, metric]
        found.append(Row(source=source, task=task, metric=metric, shown=shown, shuffled=shuffled, none=none))
    return found


def _by_name(scores: Sequence[Score]) -> dict[tuple[str, str], Score]:
    return {(score.task, score.metric): score for score in scores}


def _is_at_chance(score: Score) -> bool:
    """Return whether the interval of a control holds the level of chance, or that is not known."""
    if score.chance is None or score.low is None or score.high is None:
        return True
    return score.low <= score.chance <= score.high


def _asked(units: Mapping[str, str], seen: Mapping[str, Seen]) -> list[Asked]:
    if "" not in units:
        return []
    shown = seen[units[""]]
    blind = {
        name: {(each.task, each.number): each for each in seen[units[name]].answered} for name in BLIND if name in units
    }
    left: dict[str, int] = {}
    found = []
    for question in shown.answered:
        left[question.task] = left.get(question.task, 0) + 1
        if left[question.task] <= MAX_SHOWN:
            place = question.task, question.number
            pictures = tuple(shown.pictures[key] for key in question.pictures)
            others = {name: each[place] for name, each in blind.items() if place in each}
            found.append(Asked(question=question, pictures=pictures, blind=others))
    return found


PART = Part(title="Questions on pictures", kinds=(KINDS.seen, KINDS.results), show=show)
