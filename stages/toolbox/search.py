"""Search by BM25 over passages, with an index in a folder. Retrieval of APIs' documents uses it, too.

bm25s scores all passages for a word at once and keeps them in arrays; rank_bm25 walks through every passage a query.
Import this module where there is something to search: bm25s and the words of a text import numba and SciPy, 90 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import bm25s
import numpy as np

from stages.formats.jsonl import parse_lines
from stages.shared.errors import DataError
from stages.shared.files import write_atomic
from stages.text.words.tokens import words

PASSAGES = "passages.jsonl"
_REMEDY = "Run the unit that wrote it again"


class Found(NamedTuple):
    """A passage that a query found."""

    place: int
    """Its place among the passages."""
    score: float
    text: str


class SearchIndex:
    """Passages and their BM25 scores."""

    def __init__(self, passages: Sequence[str], scores: bm25s.BM25) -> None:
        self.passages = passages
        self._scores = scores

    def search(self, query: str, count: int) -> list[Found]:
        """Return the best passages that have a word of the query, the best first; of equal ones the first."""
        ids = self._scores.get_tokens_ids(_terms(query))
        if not ids:
            return []
        scores = self._scores.get_scores_from_ids(ids)
        order = np.argsort(-scores, kind="stable")[:count]
        return [Found(int(place), float(scores[place]), self.passages[place]) for place in order if scores[place] > 0]

    def save(self, folder: Path) -> None:
        """Write the index. Its bytes depend on the passages alone."""
        folder.mkdir(parents=True, exist_ok=True)
        self._scores.save(folder, show_progress=False)
        lines = (json.dumps(passage, ensure_ascii=False) + "\n" for passage in self.passages)
        write_atomic(folder / PASSAGES, "".join(lines).encode("utf-8", "replace"))


def make_index(passages: Sequence[str]) -> SearchIndex:
    """Return the index of passages. Raises ValueError if none has a word."""
    numbers: dict[str, int] = {}  # in the order of the text: bm25s' own order is that of a set
    ids = [[numbers.setdefault(term, len(numbers)) for term in _terms(passage)] for passage in passages]
    if not numbers:
        raise ValueError("no passage has a word")
    scores = bm25s.BM25()
    scores.index((ids, numbers), create_empty_token=False, show_progress=False)
    return SearchIndex(list(passages), scores)


def open_index(folder: Path) -> SearchIndex:
    """Return the index of a folder. Raises DataError if it holds none."""
    try:
        scores = bm25s.BM25.load(folder, mmap=True)
        passages = list(parse_lines(folder / PASSAGES, lambda value, _: str(value), "not a passage", _REMEDY))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(folder, f"no index of passages ({error!r})", _REMEDY) from error
    return SearchIndex(passages, scores)


def passages_of(texts: Iterable[str], most: int) -> Iterator[str]:
    """Yield pieces of at most `most` words, as they are parted by white space, of each text in order."""
    for text in texts:
        parts = text.split()
        for start in range(0, len(parts), most):
            yield " ".join(parts[start : start + most])


def _terms(text: str) -> list[str]:
    return [word.casefold() for word in words(text)]
