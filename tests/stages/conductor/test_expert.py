from __future__ import annotations

import pytest

from stages.conductor.expert import MAX_RESULT, Call, Made, perform
from stages.formats.chat.rejects import Reject
from tests.stages.conductor.made import expert


def keep(data: bytes, suffix: str) -> str:
    return f"{len(data)}.{suffix}"


def test_a_failure_that_may_pass_is_tried_again() -> None:
    replies = iter([Reject("killed", "by signal 9"), "well"])

    def run(_: Call) -> str:
        reply = next(replies)
        if isinstance(reply, Reject):
            raise reply
        return reply

    found = perform(expert("x", run), Call(), keep, attempts=2)
    assert (found.text, found.attempts, found.reason) == ("well", 2, "")


@pytest.mark.parametrize(
    ("error", "reason", "attempts"),
    [
        (Reject("timed_out", "60 s"), "timed_out", 3),
        (Reject("bad_argument", "no text"), "bad_argument", 1),
        (KeyError("x"), "failed", 1),
        (OSError("gone"), "failed", 1),
    ],
)
def test_an_expert_that_fails_is_a_result_with_its_reason(error: Exception, reason: str, attempts: int) -> None:
    def run(_: Call) -> str:
        raise error

    found = perform(expert("x", run), Call(), keep, attempts=3)
    assert (found.reason, found.attempts, found.text) == (reason, attempts, "")


def test_results_are_bounded_and_hold_no_half_characters() -> None:
    found = perform(expert("x", lambda _: "a" * (MAX_RESULT + 5)), Call(), keep, attempts=1)
    assert found.text.endswith("a [5 characters more]")
    assert perform(expert("x", lambda _: "a\ud83d"), Call(), keep, attempts=1).text == "a?"


def test_files_of_a_result_are_kept() -> None:
    made = Made(text="t", files=(("png", b"123"),))
    assert perform(expert("x", lambda _: made), Call(), keep, attempts=1).files == ("3.png",)


def test_an_argument_is_found_by_its_name_or_as_the_only_one() -> None:
    assert Call(texts={"query": "q", "text": "t"}).text("query", "text") == "q"
    assert Call(texts={"anything": "a"}).text("text") == "a"
    for call in (Call(), Call(texts={"a": "", "b": ""})):
        with pytest.raises(Reject):
            call.text("text")
    with pytest.raises(Reject):
        Call().file("image")
