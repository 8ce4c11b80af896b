"""A model that sees, on the sample world: what it names on held-out pictures, its blind controls, and what it forgot.

    python -m tests.bench.seeing RUN [--check]

RUN is the folder of a finished run of the recipe `vision`: `launch.py run vision --cluster local`. Prints three tables:
right answers with a question's own picture, with that of another question, and with none; captions of animals that name
colour and animal, after either stage; and facts that the language model knows, before and after. Chance is the share of
the commonest right answer. `--check` fails where a number is not reached.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from stages.formats.kinds import KINDS
from stages.formats.results import read_results, read_samples
from stages.sample.config import LANGUAGES
from stages.sample.pictures.config import CAPTIONS_EXAM, FREE, free_exam
from tests.launching import step_dir, unit_dir

LEAST, LEAST_CAPTIONS, MOST_FORGOTTEN = 0.9, 0.8, 0.03
"""Least accuracy and share of captions, and most accuracy on facts that may be lost."""
SHUFFLED, NONE = "pictures-shuffled", "pictures-none"
FACTS = ("facts", "facts_zh", "questions_en", "questions_zh")
ERRORS = 2.6
"""Standard errors above chance at which a control is above it: of twelve controls at chance, one in twenty is."""
JOINED, SEEING, BEFORE = "seeing/untrained", "seeing/final", "instructed/final"
"""The model after stage 1, with which stage 2 starts; after stage 2; and before both."""


class Cell(NamedTuple):
    """A checkpoint's answers to a task."""

    values: tuple[float, ...]
    """1 for each right answer, 0 for each other one, in order of the task's rows."""
    common: float
    """Share of the rows with the commonest right answer: no model that does not see has more right."""

    @property
    def score(self) -> float:
        """Share of right answers."""
        return sum(self.values) / len(self.values)

    @property
    def is_blind(self) -> bool:
        """Whether the answers are right no more often than by chance, within its error."""
        error = math.sqrt(self.common * (1 - self.common) / len(self.values))
        return self.score <= self.common + ERRORS * error


Cells = dict[tuple[str, str, str], Cell]
"""By checkpoint, task and variant."""


def main() -> int:
    """Print the tables; return 1 if `--check` finds a number that is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    asked = read_cells(options.run, "seen", "exact_match")
    named = captions(options.run)
    known = read_cells(options.run, "exam", "")
    print("\n".join([*answers_table(asked), "", *captions_table(named), "", *facts_table(known)]))
    failed = [*failures(asked, named, known)] if options.check else []
    print("\n".join(f"not reached: {each}" for each in failed))
    return 1 if failed else 0


def read_cells(run: Path, job: str, metric: str) -> Cells:
    """Return the cells of a section whose questions have a metric that begins so."""
    found: Cells = {}
    for folder in sorted(step_dir(run, job).glob("units/*")):
        file = folder / KINDS.results.file
        if not file.exists():
            continue
        results = read_results(file)
        task, outcomes = results.key.task, results.outcomes.get(results.key.task)
        scored = outcomes.values if outcomes else {}
        values = next((some for name, some in scored.items() if name.startswith(metric)), None)
        if values is not None:
            samples = [each for each in read_samples(folder / KINDS.samples.file) if each.task == task]
            targets = Counter(str(each.target) for each in samples)
            found[results.key.source, task, results.key.variant] = Cell(values, max(targets.values()) / len(samples))
    return found


def captions(run: Path) -> Cells:
    """Return the captions of animals alone."""
    found = {}
    for key, cell in read_cells(run, "seen", "named").items():
        rows = (unit_dir(run, "seen_exam") / f"{key[1]}.jsonl").read_text(encoding="utf-8").splitlines()
        is_of_animals = [json.loads(row)["scene"] == "animals" for row in rows]
        values = tuple(value for value, keep in zip(cell.values, is_of_animals, strict=True) if keep)
        found[key] = Cell(values, 1 / 64)
    return found


def answers_table(asked: Cells) -> Iterator[str]:
    """Yield a line a task."""
    yield f"{'':>16} {'shown':>7} {'shuffled':>8} {'none':>7} {'chance':>7}"
    for task in exams():
        shown, shuffled, none = (asked[SEEING, task, variant] for variant in ("", SHUFFLED, NONE))
        yield f"{task:>16} {shown.score:7.3f} {shuffled.score:8.3f} {none.score:7.3f} {shown.common:7.3f}"


def captions_table(named: Cells) -> Iterator[str]:
    """Yield a line a checkpoint and language."""
    for (source, task, variant), cell in sorted(named.items()):
        yield f"{source:>16} {task} {variant or 'shown':>17}: {cell.score:.3f} of {len(cell.values)} name all"


def facts_table(known: Cells) -> Iterator[str]:
    """Yield a line a task, before and after."""
    for task in FACTS:
        before, after = (known[source, task, ""].score for source in (BEFORE, SEEING))
        yield f"{task:>16} {before:7.3f} before, {after:.3f} after"


def exams() -> list[str]:
    """Return the tasks with free answers."""
    return [free_exam(aspect, language) for aspect in FREE for language in LANGUAGES]


def failures(asked: Cells, named: Cells, known: Cells) -> Iterator[str]:
    """Yield what is not reached."""
    for task in exams():
        if asked[SEEING, task, ""].score < LEAST:
            yield f"{task} of at least {LEAST}"
        yield from (
            f"{task} {blind} at chance" for blind in (SHUFFLED, NONE) if not asked[SEEING, task, blind].is_blind
        )
    for language in LANGUAGES:
        if named[JOINED, f"{CAPTIONS_EXAM}_{language}", ""].score < LEAST_CAPTIONS:
            yield f"captions after stage 1, {language}, of at least {LEAST_CAPTIONS}"
    lost = mean(known, BEFORE) - mean(known, SEEING)
    if lost > MOST_FORGOTTEN:
        yield f"facts: {lost:.3f} lost, at most {MOST_FORGOTTEN}"


def mean(known: Mapping[tuple[str, str, str], Cell], source: str) -> float:
    """Return the mean score on facts."""
    return sum(known[source, task, ""].score for task in FACTS) / len(FACTS)


if __name__ == "__main__":
    sys.exit(main())
