import os
import signal
import time
from collections.abc import Iterator

import pytest

from stages.web.extract_child import TRAFILATURA
from stages.web.guard import Guard, GuardError

PAGE = "<html><body><article><p>The hills were quiet and the river was wide. {}</p></article></body></html>"
SLOW = "<html><body>" + "<div>text text text</div>" * 60_000 + "</body></html>"
"""Takes trafilatura several seconds."""


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard(timeout_s=60, memory_mb=2_000)
    yield guard
    guard.close()


def test_pages_are_extracted_by_one_warm_child(guard: Guard) -> None:
    texts = [guard.extract(TRAFILATURA, PAGE.format(number)) for number in range(3)]
    assert [text.endswith(f"{number}") for number, text in enumerate(texts)] == [True] * 3


def test_a_page_that_takes_too_long_is_given_up_and_the_next_one_works(guard: Guard) -> None:
    guard.extract(TRAFILATURA, PAGE)  # warm: the import is not on the clock
    guard.timeout_s = 0.2
    start = time.monotonic()
    with pytest.raises(GuardError, match="no answer in time"):
        guard.extract(TRAFILATURA, SLOW)
    assert time.monotonic() - start < 5
    guard.timeout_s = 60
    assert "hills" in guard.extract(TRAFILATURA, PAGE)


def test_a_child_that_dies_costs_one_page(guard: Guard) -> None:
    guard.extract(TRAFILATURA, PAGE)
    assert guard._child is not None
    os.kill(guard._child.pid, signal.SIGKILL)
    guard._child.wait()
    with pytest.raises(GuardError) as error:
        guard.extract(TRAFILATURA, PAGE)
    assert error.value.reason == "died"
    assert "hills" in guard.extract(TRAFILATURA, PAGE)


def test_a_page_that_wants_too_much_memory_costs_one_page() -> None:
    small = Guard(timeout_s=60, memory_mb=500)
    try:
        with pytest.raises(GuardError) as error:
            small.extract(TRAFILATURA, "<html><body>" + "<p>x<b>y</b></p>" * 500_000 + "</body></html>")
        assert error.value.reason == "died"
        assert "hills" in small.extract(TRAFILATURA, PAGE)
    finally:
        small.close()


def test_an_error_of_the_library_is_an_answer_and_the_child_stays(guard: Guard) -> None:
    guard.extract(TRAFILATURA, PAGE)
    child = guard._child
    with pytest.raises(GuardError, match="no such list") as error:
        guard.extract("no such list", PAGE)
    assert error.value.reason == "failed"
    assert "hills" in guard.extract(TRAFILATURA, PAGE) and guard._child is child


def test_closing_leaves_no_process_behind_and_can_be_repeated(guard: Guard) -> None:
    guard.extract(TRAFILATURA, PAGE)
    assert guard._child is not None
    child = guard._child.pid
    guard.close()
    guard.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
