"""Speech on the sample world: what a model with ears writes down and answers, and its controls.

    python -m tests.bench.hearing RUN [--check]

RUN is the folder of a finished run of the recipe `speech`: `launch.py run speech --cluster local`. Prints the score of
each exam with its own sounds, with those of other questions, and without. `--check` fails where word accuracy is below
0.90, the answers to questions about speech are below 0.80, or a control is above chance by more than its error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.results import Score, read_results
from stages.sample.pictures.questions import NUM_OPTIONS
from stages.sample.speech.config import ANSWERS_EXAM, EXAMS, WORDS_EXAM
from tests.launching import step_dir

METRICS = {WORDS_EXAM: "word_accuracy"}
"""Metric of an exam; that of the others is accuracy."""
CONTROLS = ("sounds-shuffled", "sounds-none")
LEAST: Mapping[str, float] = {WORDS_EXAM: 0.90, ANSWERS_EXAM: 0.80}
WORDS_CHANCE = 0.35
"""Word accuracy that two sentences of one form may have: most of their words are the form's."""
Key = tuple[str, str, str]
"""Checkpoint, exam, control; an empty control is the exam with its own sounds."""


def main() -> int:
    """Print the table; return 1 if `--check` finds a number that is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    scores = measured(options.run)
    for (checkpoint, exam, control), score in sorted(scores.items()):
        print(f"{checkpoint:>24} {exam:>16} {control or 'own sounds':>16} {score.value:6.3f}")
    failed = failures(scores) if options.check else []
    print("\n".join(failed))
    return 1 if failed else 0


def measured(run: Path) -> dict[Key, Score]:
    """Return the score of each cell."""
    found = {}
    for file in sorted(step_dir(run, "heard").glob(f"units/*/{KINDS.results.file}")):
        results = read_results(file)
        for score in results.scores:
            if score.task in EXAMS and score.metric == METRICS.get(score.task, "acc"):
                control = next((each for each in CONTROLS if each in results.key.variant), "")
                found[results.key.source, score.task, control] = score
    return found


def failures(scores: Mapping[Key, Score]) -> list[str]:
    """Return a line for each number of the final checkpoint that is not reached."""
    failed = [f"no cell of {exam}" for exam in LEAST if not any(key[1] == exam for key in scores)]
    for (checkpoint, exam, control), score in scores.items():
        if not checkpoint.endswith("final") or exam not in LEAST:
            continue
        if not control and score.value < LEAST[exam]:
            failed.append(f"not reached: {exam} {score.value:.3f}, wanted {LEAST[exam]}")
        chance = WORDS_CHANCE if exam == WORDS_EXAM else 1 / NUM_OPTIONS
        low = score.value if score.low is None else score.low
        if control and low > chance:
            failed.append(f"above chance: {exam} {control} {score.value:.3f}, chance {chance}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
