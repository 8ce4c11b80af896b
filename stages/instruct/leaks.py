"""Finds items of an evaluation within examples: 13 words in a row that both have, as GPT-3's filter (arXiv:2005.14165,
appendix C). A text of fewer words must stand in the example as a whole; one of fewer than five is not searched.
"""

from __future__ import annotations

from collections.abc import Iterable

from stages.formats.chat.rejects import Reject
from stages.instruct.rows import Row
from stages.text.dedup.rouge import rouge_words

MAX_WORDS, MIN_WORDS = 13, 5


class Leaks:
    """The word sequences of an evaluation's items. Words are those of ROUGE: lower case, a CJK character each."""

    def __init__(self, items: Iterable[Row]) -> None:
        self._sequences: dict[int, set[tuple[str, ...]]] = {}
        for item in items:
            for text in item.values():
                words = rouge_words(text) if isinstance(text, str) else []
                size = min(len(words), MAX_WORDS)
                if size >= MIN_WORDS:
                    self._sequences.setdefault(size, set()).update(_sequences(words, size))

    def check(self, text: str) -> None:
        """Raise Reject for a text that holds an item."""
        words = rouge_words(text) if self._sequences else []
        for size, known in self._sequences.items():
            for sequence in _sequences(words, size):
                if sequence in known:
                    raise Reject("leaks_evaluation", " ".join(sequence))


def _sequences(words: list[str], size: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(size)), strict=False)
