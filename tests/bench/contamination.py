"""Planted items of evaluations: all are found, hardly anything else, at what speed, with how much memory.

python -m tests.bench.contamination [--check]

Fifty items stand in 10,000 documents, verbatim, in part, and in other case, width and punctuation. The speed is that of
one core against datatrove's own decontamination of n-grams, on the same documents. The index for the memory has 5 M
n-grams, more than all tasks of the suites `llama`, `chinese` and `instruct` together.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter
from datatrove.utils.text import ngrams, simplify_text

from stages.text.overlap.index import OverlapIndex, Sizes
from tests.bench.compare import Comparison, add_options, alternate, one_core, show
from tests.stages.text.overlap.planting import Planted, plant, sentence

DOCUMENTS, ITEMS, SPEED_DOCUMENTS = 10_000, 50, 400
LARGE_ITEMS, LARGE_WORDS = 60_000, 100
MAX_MB, MAX_FALSE, FASTER = 200.0, 0.001, 5.0


def compare_found(_rounds: int) -> list[Comparison]:
    """Compare the planted items with those found."""
    planted = plant(ITEMS, DOCUMENTS)
    index = OverlapIndex.of(planted.items, Sizes())
    found = {place: {hit.item for hit in index.find(text)} for place, text in enumerate(planted.texts)}
    right = sum(planted.places[place] in found[place] for place in planted.places)
    wrong = sum(bool(hits - {planted.places.get(place)}) for place, hits in found.items())
    return [
        Comparison("planted items", "found", right, ITEMS, "planted", 1.0),
        Comparison("clean documents", "share", 1 - wrong / DOCUMENTS, 1 - MAX_FALSE, "asked", 1.0, f"{wrong} wrong"),
    ]


def stock(planted: Planted, folder: Path) -> NGramsDecontFilter:
    """Return datatrove's filter over an index of the items, made as its indexer makes it."""
    block = NGramsDecontFilter(str(folder), NGramsDecontConfig(n_grams=13))
    hashes = [
        block.hash_func(" ".join(ngram))
        for item in planted.items
        for ngram in ngrams(block.tokenizer.word_tokenize(simplify_text(item, block.config.norm_config)), 13)
    ]
    np.array(hashes, block.config.hash_config.np_descr).tofile(folder / "items.index.hashes")
    return block


def compare_speed(rounds: int) -> list[Comparison]:
    """Compare MB a second of processor time."""
    one_core()
    planted = plant(ITEMS, SPEED_DOCUMENTS)
    mb = sum(len(text.encode()) for text in planted.texts) / 1e6
    index = OverlapIndex.of(planted.items, Sizes())
    with tempfile.TemporaryDirectory() as made:
        block = stock(planted, Path(made))

        def ours() -> float:
            for text in planted.texts:
                index.find(text)
            return mb

        def theirs() -> float:
            for number, text in enumerate(planted.texts):
                block.filter(Document(text=text, id=str(number)))
            return mb

        ours()
        theirs()
        rates = alternate(ours, theirs, rounds)
    return [Comparison("speed", "MB", *rates, "datatrove", FASTER)]


def compare_memory(_rounds: int) -> list[Comparison]:
    """Compare the size of an index of 5 M n-grams with the bound."""
    draw = random.Random(0)
    index = OverlapIndex.of([sentence(draw, LARGE_WORDS) for _ in range(LARGE_ITEMS)], Sizes())
    return [Comparison("memory", "MB", MAX_MB, index.mb, "index", 1.0, f"{len(index.grams):,} n-grams")]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subjects = {"found": compare_found, "speed": compare_speed, "memory": compare_memory}
    add_options(parser, subjects)
    return show(subjects, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
