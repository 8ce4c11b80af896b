"""Order of the sources: shares, phases that go on, one million draws."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.model import parallel
from stages.shared.task import Ranks
from stages.train.data.corpus import SourceDataset, open_corpus
from stages.train.data.datasets import EndOfDocument, build_dataset, drawn_of
from stages.train.mixing.blend import Blended, blend, bounds, drawn, save
from stages.train.mixing.settings import LastSettings, MixingSettings
from tests.stages.train.data.written import EOD, settings, write

LLAMA = (67.0, 15.0, 4.5, 4.5, 4.5, 2.5, 2.0)


def test_a_million_draws_of_llamas_table_are_within_binomial_error() -> None:
    counts = drawn([LLAMA], [1_000_000])
    for weight, count in zip(LLAMA, counts, strict=True):
        share = weight / 100
        assert abs(count - 1e6 * share) < 2 * math.sqrt(1e6 * share * (1 - share))


def test_a_phase_goes_on_in_each_source_where_the_one_before_ended() -> None:
    source, number = blend([(1.0, 0.0, 1.0), (0.0, 1.0, 3.0)], [100, 40])
    assert Counter(source[:100].tolist()) == {0: 50, 2: 50}
    assert Counter(source[100:].tolist()) == {1: 10, 2: 30}
    for each in range(3):
        assert number[source == each].tolist() == list(range(int((source == each).sum())))


def test_a_longer_order_begins_with_the_shorter_one() -> None:
    short, long = blend([LLAMA, LLAMA[::-1]], [90, 10]), blend([LLAMA, LLAMA[::-1]], [90, 60])
    assert all(np.array_equal(one, other[:100]) for one, other in zip(short, long, strict=True))


@pytest.mark.parametrize(
    ("parts", "size", "expected"), [((1.0,), 7, [7]), ((0.9, 0.1), 80, [72, 8]), ((0.9, 0.1), 3, [3, 0])]
)
def test_phases_have_whole_sequences_and_miss_none(parts: tuple[float, ...], size: int, expected: list[int]) -> None:
    assert bounds(parts, size) == expected


def test_an_index_of_a_folder_is_followed(tmp_path: Path) -> None:
    save(tmp_path, *blend([(1.0, 1.0)], [4]))
    ones, twos = torch.arange(10), torch.arange(100, 110)
    rows = Blended([ones, twos], tmp_path)  # type: ignore[list-item]
    assert [int(rows[place]) for place in range(len(rows))] == [0, 100, 1, 101]


def test_a_training_reads_another_mixture_at_its_end_and_counts_what_it_drew(tmp_path: Path) -> None:
    sources = [
        write(tmp_path, "a", 120, weight=3.0),
        write(tmp_path, "b", 60, first=20_000, weight=1.0),
        write(tmp_path, "c", 20, first=40_000, weight=0.0),
    ]
    mixing = MixingSettings(last=LastSettings(share=0.25, mixture={"b": 1.0, "c": 1.0}))
    rows = rows_of(tmp_path / "one", sources, mixing)
    kinds = ["abc"[int(row.max()) // 20_000] for row in rows]
    assert Counter(kinds[:60]) == {"a": 45, "b": 15}
    assert Counter(kinds[60:]) == {"b": 10, "c": 10}
    again = rows_of(tmp_path / "one", sources, mixing)  # with the index of the first attempt
    assert all(torch.equal(one, other) for one, other in zip(rows, again, strict=True))
    seen = Counter(int(token) for row in rows for token in row if 20_000 <= token < 40_000)
    assert max(seen.values()) <= 1, "the end goes on in b, it does not begin anew"


def rows_of(folder: Path, sources: list[SourceDataset], mixing: MixingSettings) -> list[torch.Tensor]:
    parallel.start(Ranks())
    config = settings()
    corpus = open_corpus(sources, mixing)
    dataset = build_dataset(corpus, config, folder, EndOfDocument(EOD, 60_000), config.schedule.sequences({}))
    assert drawn_of(dataset, corpus, 80) == {"a": 45, "b": 25, "c": 10}
    assert sum(drawn_of(dataset, corpus, 30).values()) == 30
    return [dataset[number]["tokens"] for number in range(80)]
