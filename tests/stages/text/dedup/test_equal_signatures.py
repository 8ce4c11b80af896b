from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stages.text.dedup.equal_signatures import (
    PAGE_BYTES,
    PAIR_BYTES,
    SEEN,
    Joiner,
    PairsWriter,
    key_ranges,
    known_pairs,
    pages_at_once,
)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def entries(joiner: Joiner) -> list[tuple[int, int]]:
    return sorted(zip(*map(np.ndarray.tolist, joiner.entries()), strict=True))


def test_pages_with_the_same_value_are_joined_to_the_first_of_them() -> None:
    joiner = Joiner(6)
    assert joiner.add(numbers(7, 5, 7, 9, 5, 7), numbers(10, 11, 12, 13, 14, 15)).shape == (0, 2)
    assert joiner.add(numbers(9, 8), numbers(16, 17)).shape == (0, 2)
    assert joiner.finish().tolist() == [[10, 12], [11, 14], [10, 15], [13, 16]]
    assert entries(joiner) == [(5, 11), (7, 10), (8, 17), (9, 13)]


def test_no_pages_and_no_equal_values_give_no_pairs() -> None:
    joiner = Joiner(0)
    assert joiner.add(numbers(), numbers()).shape == joiner.finish().shape == (0, 2)
    assert joiner.add(numbers(3, 1, 2), numbers(0, 1, 2)).shape == joiner.finish().shape == (0, 2)


def test_pages_of_earlier_runs_are_joined_to_those_of_this_run_only() -> None:
    joiner = Joiner(5)
    joiner.add(numbers(4, 5, 4, 6, 6), np.array([3, 4, SEEN, SEEN, SEEN]))
    assert joiner.finish().tolist() == [[3, int(SEEN)]]


@pytest.mark.parametrize("expected", [0, 10_000, 50_000])
@pytest.mark.parametrize("different", [3, 30_000])
def test_more_pages_than_expected_in_any_parts_are_joined_all_the_same(expected: int, different: int) -> None:
    values = np.random.default_rng(different).integers(0, different, 40_000, dtype=np.uint64)
    firsts: dict[int, int] = {}
    wanted = [(firsts.setdefault(value, page), page) for page, value in enumerate(values.tolist())]
    joiner = Joiner(expected)
    found = []
    for start, end in ((0, 10), (10, 30_000), (30_000, 40_000)):
        found += joiner.add(values[start:end], np.arange(start, end, dtype=np.uint64)).tolist()
    found += joiner.finish().tolist()
    assert sorted(map(tuple, found)) == sorted((first, page) for first, page in wanted if first != page)
    assert dict(entries(joiner)) == firsts


def test_a_million_equal_pages_are_a_pair_less_than_pages(tmp_path: Path) -> None:
    count = 1_000_000
    with PairsWriter(tmp_path / "a.npy", 1 << 21) as writer:
        for _ in range(3):  # buckets
            joiner = Joiner(300_000)
            for start in range(0, count, 100_000):
                page_numbers = np.arange(start, start + 100_000, dtype=np.uint64)
                writer.add(joiner.add(np.full(100_000, 5, np.uint64), page_numbers))
            writer.add(joiner.finish())
            assert len(joiner._pages) == 300_000
    pairs = np.load(tmp_path / "a.npy")
    assert len(pairs) < 1.2 * count, "a few have no room in the table"
    assert np.array_equal(np.unique(pairs[:, 1]), np.arange(1, count)) and not pairs[:, 0].any()


def test_a_pair_is_written_at_least_once_and_with_memory_for_all_not_twice(tmp_path: Path) -> None:
    parts = [np.random.default_rng(seed).integers(1, 40, (500, 2), dtype=np.uint64) for seed in range(20)]
    wanted = np.unique(np.concatenate(parts), axis=0)
    for slots, most in ((1 << 20, len(wanted) + 2), (16, 10_000)):
        with PairsWriter(tmp_path / "a.npy", slots) as writer:
            for part in parts:
                writer.add(part)
        written = np.load(tmp_path / "a.npy")
        assert np.array_equal(np.unique(written, axis=0), wanted)
        assert writer.count == len(written) <= most


def test_no_pairs_are_an_empty_array(tmp_path: Path) -> None:
    with PairsWriter(tmp_path / "a.npy", 64):
        pass
    assert np.load(tmp_path / "a.npy").shape == (0, 2)


def test_ranges_of_keys_cover_everything_once() -> None:
    for entries, at_once, parts in ((0, 10, 1), (10, 10, 1), (11, 10, 2), (95, 10, 10)):
        ranges = [within.tolist() for within in key_ranges(entries, at_once)]
        assert len(ranges) == parts
        assert ranges[0][0] == 0 and ranges[-1][1] == 2**64 - 1
        assert all(high + 1 == low for (_, high), (low, _) in pairwise(ranges))


def test_pages_outside_of_the_range_of_keys_are_left_out() -> None:
    joiner = Joiner(10)
    joiner.add(numbers(1, 1, 2, 2), numbers(0, 1, 2, 3), numbers(5, 6, 7, 8), numbers(6, 8))
    assert joiner.finish().tolist() == [[2, 3]]
    assert entries(joiner) == [(1, 1), (2, 2)]


def test_tables_take_no_more_memory_than_allowed() -> None:
    for memory_mb in (64, 1_000, 4_000, 100_000):
        used = pages_at_once(memory_mb) * PAGE_BYTES + known_pairs(memory_mb, 10**12) * PAIR_BYTES
        assert 0.8 * memory_mb * 1e6 < used <= memory_mb * 1e6


def test_few_pages_take_little_memory_however_much_is_allowed() -> None:
    assert known_pairs(100_000, num_pages=1_000) * PAIR_BYTES < 200_000
    assert known_pairs(64, num_pages=0) == 1
