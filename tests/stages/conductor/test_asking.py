from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.conductor.asking import Front
from stages.teacher.request import Answer, Request


class Slow:
    """Holds its first batch until it is released."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int]] = []
        self.release = threading.Event()

    def ask(self, prompt: str, requests: Sequence[Request]) -> list[Answer]:
        self.batches.append((prompt, len(requests)))
        if len(self.batches) == 1:
            self.release.wait(20)
        if prompt == "bad":
            raise ValueError("no endpoint")
        return [Answer(text=str(request.prompt), finish="stop") for request in requests]


def test_what_waits_goes_out_as_one_batch_of_each_prompt() -> None:
    slow = Slow()
    with Front(slow) as front, ThreadPoolExecutor(9) as pool:
        first = pool.submit(front.ask, "plan", Request(prompt="0"))
        while not slow.batches:
            threading.Event().wait(0.001)
        rest = [
            pool.submit(front.ask, "plan" if number % 2 else "answer", Request(prompt=str(number)))
            for number in range(1, 9)
        ]
        while front.waiting < 8:
            threading.Event().wait(0.001)
        slow.release.set()
        assert [each.result(20).text for each in (first, *rest)] == [str(number) for number in range(9)]
    assert slow.batches[0] == ("plan", 1)
    assert sorted(slow.batches[1:]) == [("answer", 4), ("plan", 4)]


def test_an_error_of_a_batch_reaches_those_who_asked_and_no_others() -> None:
    slow = Slow()
    slow.release.set()
    with Front(slow) as front:
        with pytest.raises(ValueError, match="no endpoint"):
            front.ask("bad", Request(prompt="x"))
        assert front.ask("good", Request(prompt="y")).text == "y"
