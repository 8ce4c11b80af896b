"""How good an extracted text is: against a whole article by shingles, and against strings it must and must not hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

WORD = re.compile(r"\w+")
SHINGLE_WORDS = 4


class Score(NamedTuple):
    """Shares of 1."""

    f1: float
    precision: float
    recall: float


def score(precision: float, recall: float) -> Score:
    """Return both with their harmonic mean."""
    return Score(2 * precision * recall / (precision + recall) if precision + recall else 0.0, precision, recall)


def score_articles(pairs: Iterable[tuple[str, str]]) -> Score:
    """Return the score of (extracted text, the article by hand) as zyte's article-extraction-benchmark counts it.

    Precision and recall of the 4-word shingles of each page, averaged over pages; F1 is that of the averages.
    """
    found = [_page(shingles(text), shingles(article)) for text, article in pairs]
    return score(sum(precision for precision, _ in found) / len(found), sum(recall for _, recall in found) / len(found))


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """Return how often each run of four words occurs; a shorter text is one run."""
    words = WORD.findall(text)
    return Counter(tuple(words[i : i + SHINGLE_WORDS]) for i in range(max(1, len(words) - SHINGLE_WORDS + 1)))


def _page(got: Counter[tuple[str, ...]], wanted: Counter[tuple[str, ...]]) -> tuple[float, float]:
    if got == wanted:
        return 1.0, 1.0
    common = sum((got & wanted).values())
    return common / sum(got.values()), common / sum(wanted.values())


def score_snippets(rows: Iterable[tuple[str, Sequence[str], Sequence[str]]]) -> Score:
    """Return the score of rows (text, strings it must hold, strings it must not), as trafilatura's tests count it."""
    right = wrong = missing = 0
    for text, wanted, unwanted in rows:
        held = sum(part in text for part in wanted)
        right += held
        missing += len(wanted) - held
        wrong += sum(part in text for part in unwanted)
    return score(right / max(1, right + wrong), right / max(1, right + missing))
