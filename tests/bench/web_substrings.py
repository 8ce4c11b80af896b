"""Exact substrings: speed with cutting, growth, memory, and 100 MB in which every repeated span is known.

python -m tests.bench.web_substrings [--rounds 3] [--check]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.text.exact.cut_ranges import cut_text
from stages.text.exact.repeated_ranges import by_document, find_ranges
from stages.text.exact.suffix_array import CutRule
from stages.text.exact.suffix_tokens import PartTokens
from tests.bench.compare import Comparison, alternate, one_core, table, verdict

MIN_TOKENS = 50
ASKED_MB_S = 10.0
PLANTED_MB = 100
SIZES_MB = (12, 48, 192)
"""1x, 4x, 16x of text in one part. A run with more text has more parts, which is linear; this is the curve in one."""
GROWTH = 1.15
TYPES = 300_000
DOCUMENT_WORDS = 500


class Planted(NamedTuple):
    """A text without punctuation, and the spans of it that other texts may have too."""

    text: str
    spans: list[tuple[int, int, int]]
    """Number of the span, its first token and its end."""


@lru_cache(maxsize=1)
def vocabulary() -> tuple[Any, Any]:
    """Return words, the frequent ones short, and the cumulated probability of each (Zipf)."""
    draw = np.random.default_rng(0)
    lengths = np.minimum(2 + np.arange(TYPES) ** 0.3 / 4 + draw.integers(0, 4, TYPES), 16).astype(int)
    letters = draw.integers(97, 123, (TYPES, 16)).astype(np.uint8)
    words = [bytes(row[:length]).decode() for row, length in zip(letters, lengths.tolist(), strict=True)]
    probability = 1 / np.arange(1, TYPES + 1) ** 1.05
    return np.array(words, dtype=object), np.cumsum(probability / probability.sum())


def planted_texts(mb: float, share: float, min_words: int = 30) -> Iterator[Planted]:
    """Yield texts of random words, together about `mb` MB, of which a share stands in several texts or several times.

    Spans have min_words to 400 words and stand three times on average, between words that occur once.
    """
    words, cumulated = vocabulary()

    def phrase(draw: np.random.Generator, size: int) -> list[str]:
        found: list[str] = words[np.minimum(np.searchsorted(cumulated, draw.random(size)), TYPES - 1)].tolist()
        return found

    mean = (min_words + 400) / 2
    spans_a_document = share / (1 - share) * DOCUMENT_WORDS / mean
    num_documents = int(mb * 1e6 / 5.2 / (DOCUMENT_WORDS + spans_a_document * mean)) + 1
    num_spans = max(1, int(num_documents * spans_a_document / 3))
    draw = np.random.default_rng([1, num_documents])
    for number in range(num_documents):
        left, spans = phrase(draw, int(draw.integers(1, 2 * DOCUMENT_WORDS))), []
        found: list[str] = []
        for place in range(draw.poisson(spans_a_document)):
            span = int(draw.integers(num_spans))
            own = np.random.default_rng([2, span])
            before = int(draw.integers(0, len(left) + 1))
            found += [*left[:before], f"n{number}a{place}"]
            left = left[before:]
            planted = phrase(own, int(own.integers(min_words, 400)))
            spans.append((span, len(found), len(found) + len(planted)))
            found += [*planted, f"n{number}b{place}"]
        found += left
        yield Planted("\n".join(" ".join(found[i : i + 20]) for i in range(0, len(found), 20)), spans)


def known_ranges(texts: Iterable[Planted], rule: CutRule) -> list[list[int]]:
    """Return what must be cut, as `find_ranges` says it."""
    placed = [(number, *span) for number, text in enumerate(texts) for span in text.spans]
    counts = Counter(span for _, span, _, _ in placed)
    before: set[int] = set()
    rows = []
    for number, span, first, end in placed:
        is_cut = counts[span] > 1 if rule == "all" else span in before
        if is_cut and end - first >= MIN_TOKENS:
            rows.append([number, first, end])
        before.add(span)
    return rows


def find(texts: Iterable[str], rule: CutRule = "all") -> np.ndarray[Any, Any]:
    """Return the ranges to cut, as the `substrings` step finds them."""
    part = PartTokens(MIN_TOKENS)
    for text in texts:
        part.add_text(text)
    return find_ranges(part, rule)


def find_and_cut(texts: list[str], megabytes: float) -> float:
    """Do the whole work on these texts, cut and all; return their size."""
    for document, ranges in by_document(find(texts)).items():
        cut_text(texts[document], ranges.tolist())
    return megabytes


def comparisons(rounds: int) -> list[Comparison]:
    """Return the speed with little and with much repeated text, and with nothing else."""
    few, many = (_texts(24, share) for share in (0.05, 0.5))
    twice = [*few[: len(few) // 2]] * 2

    def work(texts: list[str]) -> Callable[[], float]:
        find_and_cut(texts[:50], 1)  # compile
        return lambda: find_and_cut(texts, size(texts))

    of_few, of_many = alternate(work(few), work(many), rounds)
    of_twice, _ = alternate(work(twice), work(few), rounds)
    return [
        Comparison(f"exact substrings, {name} of the text repeated", "MB", rate, 1.0, "asked", ASKED_MB_S)
        for name, rate in (("5 %", of_few), ("half", of_many), ("all", of_twice))
    ]


def size(texts: list[str]) -> float:
    """Return the MB of some texts."""
    return sum(len(text.encode()) for text in texts) / 1e6


def _texts(mb: float, share: float) -> list[str]:
    return [planted.text for planted in planted_texts(mb, share)]


def growth() -> list[tuple[float, float, float, float]]:
    """Return for each size, each in a process of its own: MB, core-seconds, core-seconds a MB, MB of memory added."""
    rows = []
    for mb in SIZES_MB:
        command = [sys.executable, "-m", "tests.bench.web_substrings", "--measure", str(mb)]
        size_mb, seconds, memory = map(
            float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        )
        rows.append((size_mb, seconds, seconds / size_mb, memory))
    return rows


def measure(mb: float, share: float = 0.3) -> tuple[float, float, float]:
    """Return MB of text, core-seconds to find and cut, and MB of memory more than before, in this process.

    The texts are made again for the cut, so that they are not in memory; making them is not counted.
    """
    find_and_cut(_texts(1, share), 1)
    Path("/proc/self/clear_refs").write_text("5")  # from here on, the peak is of what follows
    before, spent, text_mb = _peak_mb(), 0.0, 0.0
    part = PartTokens(MIN_TOKENS)
    for planted in planted_texts(mb, share):
        start = time.process_time()
        part.add_text(planted.text)
        spent += time.process_time() - start
        text_mb += len(planted.text) / 1e6
    start = time.process_time()
    ranges = by_document(find_ranges(part, "all"))
    spent += time.process_time() - start
    for document, planted in enumerate(planted_texts(mb, share)):
        start = time.process_time()
        if document in ranges:
            cut_text(planted.text, ranges[document].tolist())
        spent += time.process_time() - start
    return text_mb, spent, _peak_mb() - before


def _peak_mb() -> float:
    """Return the most memory this process had since the peak was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def check_planted(mb: float = PLANTED_MB) -> str:
    """Find the spans that were planted; raise ValueError if one is missed, or anything else is found."""
    texts = list(planted_texts(mb, 0.2))
    for rule in ("all", "first"):
        known, found = known_ranges(texts, rule), find((text.text for text in texts), rule).tolist()
        if known != found:
            missed = [row for row in known if row not in found][:3]
            wrong = [row for row in found if row not in known][:3]
            raise ValueError(f"rule {rule}: of {len(known)} ranges are missed e.g. {missed}, found instead {wrong}")
    megabytes, num_known = size([text.text for text in texts]), len(known_ranges(texts, "all"))
    return f"{megabytes:.0f} MB: all {num_known} planted ranges are found, and no other"


def main() -> int:
    """Print the tables; with --check, return 1 if less is reached than was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    one_core()
    if options.measure:
        print(*measure(options.measure))
        return 0
    found = comparisons(options.rounds)
    print(table(found))
    rows = growth()
    print("\nMB of text  core-s  ms a MB  memory, MB  bytes a byte")
    for mb, seconds, rate, memory in rows:
        print(f"{mb:10.0f}  {seconds:6.2f}  {1e3 * rate:7.1f}  {memory:10.0f}  {memory / mb:12.1f}")
    print(f"\n{check_planted()}")
    is_reached, line = verdict(found)
    growth_of_part = rows[-1][2] / rows[1][2]
    print(f"core-seconds a MB, 16x over 4x in one part: {growth_of_part:.2f}, asked at most {GROWTH}", line, sep="\n")
    return int(options.check and not (is_reached and growth_of_part <= GROWTH))


if __name__ == "__main__":
    sys.exit(main())
