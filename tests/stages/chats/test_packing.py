"""Best-fit packing."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest

from stages.chats.packing import best_fit


def test_the_longest_example_goes_first_into_the_fullest_row_that_has_room() -> None:
    lengths = [5, 3, 2, 4]
    rows = [[lengths[number] for number in row] for row in best_fit(lengths, 8)]
    assert rows == [[5, 3], [4, 2]]
    assert [[0, *accumulate(row)] for row in rows] == [[0, 5, 8], [0, 4, 6]]
    assert sum(lengths) / (8 * len(rows)) == 0.875


def test_an_example_that_is_longer_than_a_row_or_empty_is_refused() -> None:
    with pytest.raises(ValueError, match="examples of 2 to 9 tokens: a row holds 1 to 8"):
        best_fit([5, 3, 2, 9], 8)
    with pytest.raises(ValueError, match="examples of 0 to 3"):
        best_fit([3, 0], 8)


def test_every_example_is_in_one_row_and_no_row_is_too_full() -> None:
    draw = random.Random(0)
    drawn = [draw.choice((20, 30, 50, 100, 200)) for _ in range(4000)]
    fitting = [length for length in drawn if length <= 65]
    rows = best_fit(fitting, 65)
    assert (len(fitting), len(drawn) - len(fitting)) == (2403, 1597)
    assert sorted(number for row in rows for number in row) == list(range(2403))
    assert all(0 < sum(fitting[number] for number in row) <= 65 for row in rows)


@pytest.mark.parametrize("capacity", [8192, 8193])
def test_a_row_of_any_capacity_is_filled(capacity: int) -> None:
    draw = random.Random(1)
    lengths = [draw.randrange(1, capacity + 1) for _ in range(3000)]
    rows = best_fit(lengths, capacity)
    assert sum(lengths) / (capacity * len(rows)) > 0.97


def test_nothing_gives_no_rows() -> None:
    assert best_fit([], 8) == []


def test_the_rows_are_those_of_a_search_over_all_rows() -> None:
    draw = random.Random(2)
    lengths = [draw.randrange(1, 33) for _ in range(200)]
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [room for room in rooms if room >= length]
        room = min(fitting, default=32)
        if fitting:
            rooms.remove(room)
        rooms.append(room - length)
    found = best_fit(lengths, 32)
    assert sorted(32 - sum(lengths[number] for number in row) for row in found) == sorted(rooms)
