import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stages.web import near
from stages.web.near import SEEN, Joiner, PairsWriter, key_ranges, slots_within


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def test_pages_with_the_same_value_are_joined_to_the_first_of_them() -> None:
    joiner = Joiner(6)
    pairs = joiner.add(numbers(7, 5, 7, 9, 5, 7), numbers(10, 11, 12, 13, 14, 15))
    assert pairs.tolist() == [[10, 12], [11, 14], [10, 15]]
    assert joiner.add(numbers(9, 8), numbers(16, 17)).tolist() == [[13, 16]]
    assert sorted(zip(*map(np.ndarray.tolist, joiner.entries()), strict=True)) == [(5, 11), (7, 10), (8, 17), (9, 13)]


def test_no_pages_and_no_equal_values_give_no_pairs() -> None:
    assert Joiner(0).add(numbers(), numbers()).shape == (0, 2)
    assert Joiner(3).add(numbers(3, 1, 2), numbers(0, 1, 2)).shape == (0, 2)


def test_pages_of_earlier_runs_are_joined_to_those_of_this_run_only() -> None:
    pairs = Joiner(4).add(numbers(4, 5, 4, 6, 6), np.array([3, 4, SEEN, SEEN, SEEN]))
    assert pairs.tolist() == [[3, int(SEEN)]]


@pytest.mark.parametrize("expected", [0, 100, 50_000])
@pytest.mark.parametrize("different", [3, 30_000])
def test_more_pages_than_expected_in_any_parts_are_joined_all_the_same(expected: int, different: int) -> None:
    values = np.random.default_rng(different).integers(0, different, 40_000, dtype=np.uint64)
    firsts: dict[int, int] = {}
    wanted = [(firsts.setdefault(value, page), page) for page, value in enumerate(values.tolist())]
    joiner = Joiner(expected)
    found = []
    for start, end in ((0, 10), (10, 30_000), (30_000, 40_000)):
        found += joiner.add(values[start:end], np.arange(start, end, dtype=np.uint64)).tolist()
    assert list(map(tuple, found)) == [(first, page) for first, page in wanted if first != page]
    assert dict(zip(*map(np.ndarray.tolist, joiner.entries()), strict=True)) == firsts


def test_a_million_equal_pages_are_a_pair_less_than_pages(tmp_path: Path) -> None:
    count = 1_000_000
    with PairsWriter(tmp_path / "a.npy", slots_within(64)) as writer:
        for _ in range(3):  # buckets
            joiner = Joiner(count)
            for start in range(0, count, 100_000):
                page_numbers = np.arange(start, start + 100_000, dtype=np.uint64)
                writer.add(joiner.add(np.full(100_000, 5, np.uint64), page_numbers))
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
    values, keys = numbers(1, 1, 2, 2), numbers(5, 6, 7, 8)
    assert joiner.add(values, numbers(0, 1, 2, 3), keys, numbers(6, 8)).tolist() == [[2, 3]]
    assert sorted(joiner.entries()[1].tolist()) == [1, 2]


def test_memory_is_that_of_the_slots(tmp_path: Path) -> None:
    """With pages of few values, as many as one likes go into the table that was made for few."""
    joiner, values = Joiner(100_000), np.arange(100_000, dtype=np.uint64)
    joiner.add(values[:10], values[:10])  # compile
    tracemalloc.start()
    try:
        joiner = Joiner(100_000)
        for part in range(20):
            joiner.add(values % np.uint64(90_000), values + np.uint64(100_000 * part))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 262_144 * near.SLOT_BYTES + 10 * 800_000
