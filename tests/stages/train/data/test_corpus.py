"""The sources: what identifies their datasets, what is held out of them, and what the console shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.errors import DataError
from stages.train.data.corpus import SourceDataset, open_corpus
from tests.stages.train.data.written import build, settings, write


def test_a_sources_datasets_share_its_weight(tmp_path: Path) -> None:
    sources = [
        write(tmp_path, "large", 30, weight=1.0),
        SourceDataset("large", write(tmp_path, "more", 10, first=20_000).bin_path, 1.0),
        write(tmp_path, "small", 5, first=40_000, weight=1.0),
    ]
    assert open_corpus(sources).weights(settings()) == pytest.approx([0.75, 0.25, 1.0])
    first = [int(row.max()) // 20_000 for row in build(tmp_path, sources, settings())]
    assert [first.count(number) for number in range(3)] == pytest.approx([30, 10, 40], abs=1)
    found = open_corpus(sources).readings(settings())
    assert [(each.source, each.tokens, each.share) for each in found] == [("large", 400, 0.5), ("small", 50, 0.5)]
    assert [each.epochs for each in found] == pytest.approx([640 / 400, 640 / 50])


def test_what_is_held_out_is_said(tmp_path: Path) -> None:
    sources = [write(tmp_path, "a", 120, weight=3.0), write(tmp_path, "b", 60, first=20_000, weight=1.0)]
    assert open_corpus(sources).describe(settings(heldout_batches=2))[2:4] == [
        "held out of a: 20 documents, for 12 sequences",
        "held out of b: 7 documents, for 4 sequences",
    ]


def test_a_dataset_that_would_be_half_held_out_is_refused(tmp_path: Path) -> None:
    sources = [write(tmp_path, "a", 1000, weight=100.0), write(tmp_path, "b", 1, first=20_000, weight=1.0)]
    build(tmp_path, sources, settings(heldout_batches=1))  # no sequence of 8 falls to b
    with pytest.raises(DataError, match=r"b\.bin: to hold out takes 10 of its 10 tokens \(sequences: 1\)\. Lower held"):
        build(tmp_path, sources, settings(heldout_batches=8))


def test_data_is_told_from_other_data_of_the_same_size(tmp_path: Path) -> None:
    one, other = (
        open_corpus([write(tmp_path / folder, "a", 5_000, first=first)]).identity
        for folder, first in (("one", 100), ("other", 101))
    )
    assert (one["a"][0]["tokens"], one["a"][0]["documents"]) == (50_000, 5_000)
    assert one != other
    assert one == open_corpus([SourceDataset("a", tmp_path / "one" / "a.bin")]).identity


def test_what_is_read_often_is_said(tmp_path: Path) -> None:
    sources = [write(tmp_path, "big", 300, weight=3.0), write(tmp_path, "small", 5, weight=1.0)]
    assert open_corpus(sources).describe(settings()) == [
        "source big 75.0%, read 0.32 times: 3,000 tokens",
        "source small 25.0%, read 6.40 times: 50 tokens",
        "warning: small 6.4 times: beyond 4 the same text teaches less than new one (arXiv:2305.16264)",
    ]


def test_an_empty_source_is_left_out_and_nothing_but_empty_ones_is_an_error(tmp_path: Path) -> None:
    empty, full = write(tmp_path, "empty", 0), write(tmp_path, "full", 20)
    assert len(build(tmp_path, [empty, full], settings())) == 80
    with pytest.raises(DataError, match=r"empty\.bin: no tokens"):
        build(tmp_path, [empty], settings())
    with pytest.raises(DataError, match=r"nowhere\.bin: no dataset"):
        build(tmp_path, [SourceDataset("nowhere", tmp_path / "nowhere.bin")], settings())
    with pytest.raises(DataError, match=r"empty\.bin: no tokens, but a share .* Leave 'empty' out"):
        open_corpus([SourceDataset("empty", empty.bin_path, 1.0), SourceDataset("full", full.bin_path, 1.0)])
