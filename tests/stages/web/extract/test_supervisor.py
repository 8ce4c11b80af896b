import os
import signal
import time
from collections.abc import Iterator

import pytest

from stages.web.extract.child import TRAFILATURA
from stages.web.extract.supervisor import ExtractionError, Supervisor

PAGE = "<html><body><article><p>The hills were quiet and the river was wide. {}</p></article></body></html>"
SLOW = "<html><body>" + "<div>text text text</div>" * 60_000 + "</body></html>"
"""Takes trafilatura several seconds."""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(timeout_s=60, memory_mb=2_000)
    yield supervisor
    supervisor.close()


def test_pages_are_extracted_by_one_warm_child(supervisor: Supervisor) -> None:
    texts = [supervisor.extract(TRAFILATURA, PAGE.format(number)) for number in range(3)]
    assert [text.endswith(f"{number}") for number, text in enumerate(texts)] == [True] * 3


def test_a_page_that_takes_too_long_is_given_up_and_the_next_one_works(supervisor: Supervisor) -> None:
    supervisor.extract(TRAFILATURA, PAGE)  # warm: the import is not on the clock
    supervisor.timeout_s = 0.2
    start = time.monotonic()
    with pytest.raises(ExtractionError, match="no answer in time"):
        supervisor.extract(TRAFILATURA, SLOW)
    assert time.monotonic() - start < 5
    supervisor.timeout_s = 60
    assert "hills" in supervisor.extract(TRAFILATURA, PAGE)


def test_a_child_that_dies_costs_one_page(supervisor: Supervisor) -> None:
    supervisor.extract(TRAFILATURA, PAGE)
    assert supervisor._child is not None
    os.kill(supervisor._child.pid, signal.SIGKILL)
    supervisor._child.wait()
    with pytest.raises(ExtractionError) as error:
        supervisor.extract(TRAFILATURA, PAGE)
    assert error.value.reason == "died"
    assert "hills" in supervisor.extract(TRAFILATURA, PAGE)


def test_a_page_that_needs_too_much_memory_costs_one_page() -> None:
    small = Supervisor(timeout_s=60, memory_mb=500)
    try:
        with pytest.raises(ExtractionError) as error:
            small.extract(TRAFILATURA, "<html><body>" + "<p>x<b>y</b></p>" * 500_000 + "</body></html>")
        assert error.value.reason == "died"
        assert "hills" in small.extract(TRAFILATURA, PAGE)
    finally:
        small.close()


def test_an_error_of_the_library_is_an_answer_and_the_child_stays(supervisor: Supervisor) -> None:
    supervisor.extract(TRAFILATURA, PAGE)
    child = supervisor._child
    with pytest.raises(ExtractionError, match="no such list") as error:
        supervisor.extract("no such list", PAGE)
    assert error.value.reason == "failed"
    assert "hills" in supervisor.extract(TRAFILATURA, PAGE) and supervisor._child is child


def test_closing_leaves_no_process_behind_and_can_be_repeated(supervisor: Supervisor) -> None:
    supervisor.extract(TRAFILATURA, PAGE)
    assert supervisor._child is not None
    child = supervisor._child.pid
    supervisor.close()
    supervisor.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
