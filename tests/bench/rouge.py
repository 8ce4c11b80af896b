"""The filter of Self-Instruct: candidates against a pool by ROUGE-L, beside the package rouge-score.

python -m tests.bench.rouge [--rounds 3] [--check]
"""

from __future__ import annotations

import argparse
import random
import sys

from rouge_score import rouge_scorer

from stages.text.dedup.rouge import RougeIndex
from tests.bench.compare import Comparison, add_options, alternate, one_core, show

POOL, CANDIDATES = 20_000, 20_000
FEW = 10
"""Candidates for rouge-score, which compares 20,000 pairs a second."""
LIMIT = 0.7
ASKED = 20.0


def instructions(count: int, seed: int) -> list[str]:
    """Return made instructions of about 15 words, frequent words first; some are near to one another."""
    draw = random.Random(seed)
    words = [f"word{number}" for number in range(4000)]
    weights = [1 / (number + 3) for number in range(4000)]
    made: list[str] = []
    for _ in range(count):
        if made and draw.random() < 0.1:
            old = draw.choice(made).split()
            old[draw.randrange(len(old))] = draw.choice(words)
            made.append(" ".join(old))
        else:
            made.append(" ".join(draw.choices(words, weights, k=draw.randint(6, 24))))
    return made


def compare_filter(rounds: int) -> list[Comparison]:
    """Compare pairs a second; verdicts are the same on the pairs that both look at."""
    one_core()
    made = instructions(POOL + CANDIDATES, 1)
    pool, candidates = made[:POOL], made[POOL:]
    index = RougeIndex()
    for text in pool:
        index.add(text)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)

    def best_of_theirs(text: str) -> float:
        return max(scorer.score(other, text)["rougeL"].fmeasure for other in pool[:2000])

    small = RougeIndex()
    for text in pool[:2000]:
        small.add(text)
    for text in candidates[:FEW]:
        if (small.nearest(text, LIMIT)[1] >= 0) != (best_of_theirs(text) > LIMIT):
            raise AssertionError(f"another verdict on {text!r}")

    def ours() -> float:
        kept = sum(index.nearest(text, LIMIT)[1] < 0 for text in candidates)
        print(f"kept {kept} of {len(candidates)}", file=sys.stderr)
        return len(candidates) * len(pool)

    def theirs() -> float:
        for text in candidates[:FEW]:
            best_of_theirs(text)
        return FEW * 2000

    rates = alternate(ours, theirs, rounds)
    return [Comparison("filter", "pairs", *rates, "rouge-score", ASKED)]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, ["filter"])
    return show({"filter": compare_filter}, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
