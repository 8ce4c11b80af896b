"""Measures: one row of numbers for each page, on which the repetition and quality rules decide.

The rows are stored: with another threshold, a page is judged again without its text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.text.blocks.page_data import page_data
from stages.text.compiled.arrays import U32
from stages.text.rules.counts import COUNTS, FUNCTION_WORDS, STOP_WORDS, WRITTEN_STOP_WORDS, count
from stages.text.words.characters import character_table
from stages.text.words.stop_words import StopWords, shipped
from stages.text.words.tokens import Split, code_points, hash_tokens, split

LANGUAGE_BYTES = 12
"""Room for a language code."""

MEASURES = np.dtype(
    [("language", f"S{LANGUAGE_BYTES}"), ("language_score", "<f4"), *((name, "<i4") for name in COUNTS)]
)
"""One page: the label that chose its lists of words, the label's score, and the measures of counts.COUNTS."""

Measured = np.void
"""A row of MEASURES."""


def measure(text: str, language: str = "", score: float = 0.0, lists: StopWords | None = None) -> Measured:
    """Return the row of a text. `language` chooses the lists of words; without `lists`, among those shipped."""
    stripped = text.strip()
    return _row(stripped, split(stripped), code_points(stripped), (language, score), lists or shipped())


def measure_tokens(text: str, tokens: Sequence[str], is_word: Sequence[bool], language: str = "") -> Measured:
    """Return the row of a text that another program has split into words and symbols."""
    lengths = np.array([len(token) for token in tokens], dtype=np.int32)
    ends = np.cumsum(lengths, dtype=np.int32)
    found = Split(ends - lengths, ends, np.array(is_word, dtype=np.uint8))
    return _row(text.strip(), found, code_points("".join(tokens)), (language, 0.0), shipped())


def _row(text: str, found: Split, token_codes: U32, label: tuple[str, float], lists: StopWords) -> Measured:
    language, score = label
    hashes = hash_tokens(token_codes, found.starts, found.ends)
    counts = count(code_points(text), character_table(), (*found,), (*hashes,), (*lists.table(language),))
    if language not in lists.stop:
        counts[STOP_WORDS] = counts[WRITTEN_STOP_WORDS] = -1
    if language not in lists.function:
        counts[FUNCTION_WORDS] = -1
    head = language.encode("ascii", "replace")[:LANGUAGE_BYTES].ljust(LANGUAGE_BYTES, b"\0")
    row: Measured = np.frombuffer(head + np.float32(score).tobytes() + counts.tobytes(), dtype=MEASURES)[0]
    return row


class Measure(PipelineStep):
    """Puts a page's row of measures and its number of tokens into its metadata.

    A row is a NumPy object: a writer of JSON must leave it out.
    """

    name = "measure"
    type = "📏 - MEASURE"

    def __init__(self, own_stop_words: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__()
        self.lists = StopWords(own_stop_words) if own_stop_words else shipped()

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield every page with its row."""
        for doc in data:
            page = page_data(doc)
            row = measure(doc.text, page.get("language", ""), page.get("language_score", 0.0), self.lists)
            page["measures"] = row
            page["token_count"] = int(row["tokens"])
            yield doc


def row_of(doc: Document, lists: StopWords) -> Measured:
    """Return the row that `Measure` gave the page, or a new one; a page without a label is taken as English."""
    row = page_data(doc).get("measures")
    return _measured(doc.text, page_data(doc).get("language", "en"), lists) if row is None else row


@lru_cache(maxsize=2)  # the repetition filter and the quality filter of a plain pipeline ask for the same page
def _measured(text: str, language: str, lists: StopWords) -> Measured:
    return measure(text, language, 0.0, lists)
