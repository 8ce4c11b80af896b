import os
import signal
import time
from collections.abc import Iterator

import pytest

from stages.web.guard import Guard, GuardError

PAGE = "<html><body><article><p>The hills were quiet and the river was wide. {}</p></article></body></html>"
SLOW = "<html><body>" + "<div>text text text</div>" * 60_000 + "</body></html>"
"""Takes trafilatura several seconds."""


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard(timeout_s=60)
    yield guard
    guard.close()


def test_pages_are_extracted_by_one_warm_child(guard: Guard) -> None:
    texts = [guard.extract(PAGE.format(number)) for number in range(3)]
    assert [text.endswith(f"{number}") for number, text in enumerate(texts)] == [True] * 3


def test_a_page_that_takes_too_long_is_given_up_and_the_next_one_works(guard: Guard) -> None:
    guard.extract(PAGE)  # warm: the import is not on the clock
    guard.timeout_s = 0.2
    start = time.monotonic()
    with pytest.raises(GuardError, match="no answer in time"):
        guard.extract(SLOW)
    assert time.monotonic() - start < 5
    guard.timeout_s = 60
    assert "hills" in guard.extract(PAGE)


def test_a_child_that_dies_costs_one_page(guard: Guard) -> None:
    guard.extract(PAGE)
    assert guard._child is not None
    os.kill(guard._child.pid, signal.SIGKILL)
    guard._child.wait()
    with pytest.raises(GuardError):
        guard.extract(PAGE)
    assert "hills" in guard.extract(PAGE)


def test_closing_leaves_no_process_behind_and_can_be_repeated(guard: Guard) -> None:
    guard.extract(PAGE)
    assert guard._child is not None
    child = guard._child.pid
    guard.close()
    guard.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
