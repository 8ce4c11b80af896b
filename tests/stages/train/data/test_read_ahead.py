"""Samples that a thread reads: the same ones, once, with errors where they belong."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from stages.shared.errors import DataError
from stages.train.data.read_ahead import ReadAhead


class Slow:
    """Samples that are read when they may be; 13 cannot be read."""

    def __init__(self) -> None:
        self.read: list[tuple[int, str]] = []
        self.may = threading.Event()

    def __getitem__(self, number: int) -> dict[str, int]:
        here = threading.current_thread() is threading.main_thread()
        assert here or self.may.wait(timeout=30)
        self.read.append((number, "here" if here else "ahead"))
        if number == 13:
            raise DataError("tokens.bin", "cut off", "Make it again")
        return {"number": number}


def test_what_is_expected_is_read_once_on_a_thread_and_the_rest_here() -> None:
    slow: Any = Slow()
    samples = ReadAhead(slow)
    samples.expect([2, 3])
    assert samples[7] == {"number": 7}, "it does not wait for what is expected"
    slow.may.set()
    samples.expect([2, 3, 4])
    assert [samples[number]["number"] for number in (4, 3, 2, 2, 7)] == [4, 3, 2, 2, 7]
    assert slow.read == [(7, "here"), (2, "ahead"), (3, "ahead"), (4, "ahead"), (7, "here")]


def test_what_is_not_expected_any_more_is_forgotten() -> None:
    slow: Any = Slow()
    samples = ReadAhead(slow)
    samples.expect(range(5))
    samples.expect([])
    slow.may.set()
    assert samples[4] == {"number": 4}
    assert (4, "here") in slow.read
    assert len(slow.read) <= 2, "the one that was being read, and this one"


def test_an_error_waits_for_whoever_asks_for_the_sample() -> None:
    slow: Any = Slow()
    slow.may.set()
    samples = ReadAhead(slow)
    samples.expect([12, 13, 14])
    assert samples[14] == {"number": 14}
    for _ in range(2):  # a step that runs again meets it again
        with pytest.raises(DataError, match="cut off"):
            samples[13]
