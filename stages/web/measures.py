"""What the repetition and quality rules need to know of a page, in one row of numbers made from one word split.

The rows are kept: with another threshold, a page is judged again without its text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.web.characters import table
from stages.web.counting import COUNTS, count
from stages.web.stop_words import StopWords, shipped
from stages.web.words import Split, code_points, hash_tokens, split

LANGUAGE_BYTES = 12
"""Room for a language code."""

MEASURES = np.dtype(
    [("language", f"S{LANGUAGE_BYTES}"), ("language_score", "<f4"), *((name, "<i4") for name in COUNTS)]
)
"""One page. White space at its ends does not count, a length is in characters, a token is a word or a symbol.

language, language_score: the label that decided on the list of stop words, and how sure it was
chars, tokens, words: all of them; characters: words that are one letter of a script without spaces
word_chars: characters in words; letter_words: tokens with a letter
stop_words, written_stop_words: different stop words, and those that occur in lower case; -1 if there is no list
function_words: words and pairs of characters on the list of function words; -1 if there is no list
special_chars: characters that are neither letters nor marks; number_signs: "#"; ellipses: "..." and "…"
lines, paragraphs: divided by newlines and by empty lines; repeated_*: those seen before; repeated_*_chars: in them
text_lines, all_lines: lines as `str.splitlines` cuts, with text and in all; *bullet_lines: that start with a bullet,
    or only with "•" or "-"; ellipsis_lines: that end with an ellipsis
top_n: characters in all occurrences of the most frequent n-gram of tokens, with its spaces
repeated_n: characters in n-grams of tokens seen before, without spaces; none counted twice
char_ngrams: n-grams of characters, n = 10, or 3 where most words are `characters`; frequent_char_ngrams: occurrences of
    the most frequent ones, of as many as the root of the number of different ones, if they occur at least twice
ngrams_n, recurring_n: n-grams of words in lower case, and those of them that occur more than once
"""

Row = np.void


def measure(text: str, language: str = "", score: float = 0.0, lists: StopWords | None = None) -> Row:
    """Return the row of a text; `language` chooses the lists of stop words, without `lists` those shipped."""
    stripped = text.strip()
    return _row(stripped, split(stripped), code_points(stripped), (language, score), lists or shipped())


def measure_tokens(text: str, tokens: Sequence[str], is_word: Sequence[bool], language: str = "") -> Row:
    """Return the row of a text that somebody else has split into words and symbols."""
    lengths = np.array([len(token) for token in tokens], dtype=np.int32)
    ends = np.cumsum(lengths, dtype=np.int32)
    found = Split(ends - lengths, ends, np.array(is_word, dtype=np.uint8))
    return _row(text.strip(), found, code_points("".join(tokens)), (language, 0.0), shipped())


def _row(
    text: str, found: Split, token_codes: npt.NDArray[np.uint32], label: tuple[str, float], lists: StopWords
) -> Row:
    language, score = label
    hashes = hash_tokens(token_codes, found.starts, found.ends)
    counts = count(code_points(text), table(), tuple(found), tuple(hashes), tuple(lists.table(language)))
    if language not in lists.stop:
        counts[COUNTS.index("stop_words")] = counts[COUNTS.index("written_stop_words")] = -1
    if language not in lists.function:
        counts[COUNTS.index("function_words")] = -1
    head = language.encode("ascii", "replace")[:LANGUAGE_BYTES].ljust(LANGUAGE_BYTES, b"\0")
    row: Row = np.frombuffer(head + np.float32(score).tobytes() + counts.tobytes(), dtype=MEASURES)[0]
    return row


class Measure(PipelineStep):
    """Puts a page's row into `doc.metadata["measures"]` and its number of tokens into `doc.metadata["token_count"]`.

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
            language, score = doc.metadata.get("language", ""), doc.metadata.get("language_score", 0.0)
            row = measure(doc.text, language, score, self.lists)
            doc.metadata["measures"] = row
            doc.metadata["token_count"] = int(row["tokens"])
            yield doc


def row_of(doc: Document, lists: StopWords) -> Row:
    """Return the row that `Measure` gave the page, or a new one; a page without a label is taken as English."""
    row: Row | None = doc.metadata.get("measures")
    return _measured(doc.text, doc.metadata.get("language", "en"), lists) if row is None else row


@lru_cache(maxsize=2)  # the repetition filter and the quality filter of a plain pipeline ask for the same page
def _measured(text: str, language: str, lists: StopWords) -> Row:
    return measure(text, language, 0.0, lists)
