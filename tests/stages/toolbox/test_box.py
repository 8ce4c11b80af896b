from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, get_ident

import pytest

from stages.formats.calls.inline import InlineCall, find_calls, open_call
from stages.formats.calls.tool_calls import ToolCall
from stages.toolbox import box as boxes
from stages.toolbox.box import Bounds, Toolbox
from stages.toolbox.tools import Tool, calculator, calendar

BOX = Toolbox([calculator(), calendar(lambda: None)])


def told(run: Callable[[str], str]) -> Tool:
    return Tool(name="own", description="", run=run, parameter="text")


def test_both_notations_have_one_result() -> None:
    named = BOX.call(ToolCall("calculator", '{"expression": "(3+4)*2"}'))
    waiting = open_call("So [Calculator((3+4)*2) -> ")
    assert waiting is not None
    assert (named.text, named.reason) == ("14.00", "")
    assert BOX.inline(waiting).text == "14.00"
    assert [BOX.inline(each).text for each in find_calls('[Calculator("1+1")]') if isinstance(each, InlineCall)] == [
        "2.00"
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("shell", "{}", "unknown_tool"),
        ("Calculator", '{"expression": "1"}', "unknown_tool"),
        ("calculator", "{", "not_json"),
        ("calculator", "[1]", "not_json"),
        ("calculator", "{}", "missing_argument"),
        ("calculator", '{"expression": "1", "unit": "m"}', "unknown_argument"),
        ("calculator", '{"expression": ["1"]}', "wrong_type"),
        ("calculator", '{"expression": "' + "1+" * 600 + '1"}', "too_long"),
        ("calculator", '{"expression": "1/0"}', "bad_expression"),
        ("calculator", "[" * 100_000, "not_json"),
        ("calendar", '{"day": "1"}', "unknown_argument"),
        ("calendar", "{}", "no_date"),
    ],
)
def test_a_call_that_fails_says_why(name: str, arguments: str, reason: str) -> None:
    outcome = BOX.call(ToolCall(name, arguments))
    assert (outcome.reason, outcome.text[:7]) == (reason, "error: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[Shell(ls)]", "unknown_tool"), ("[Calendar(now)]", "bad_input"), ("[Calculator()]", "bad_expression")],
)
def test_an_inline_call_that_fails_says_why(text: str, reason: str) -> None:
    (call,) = find_calls(text)
    assert isinstance(call, InlineCall)
    assert BOX.inline(call).reason == reason


def test_a_result_is_cut() -> None:
    own = Toolbox([told(lambda given: given * 100)], Bounds(result_chars=7))
    assert own.call(ToolCall("own", '{"text": "ab"}')).text == "abababa"


def test_a_tool_that_raises_is_one_failed_call() -> None:
    def run(given: str) -> str:
        raise (TimeoutError if given == "slow" else RuntimeError)("a secret")

    own = Toolbox([told(run)])
    outcomes = [own.call(ToolCall("own", f'{{"text": "{given}"}}')) for given in ("slow", "other")]
    assert [(each.reason, each.text) for each in outcomes] == [("broken", "error: own failed")] * 2


def test_a_tool_without_end_is_left_and_too_many_of_them_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "AT_ONCE", 2)
    end = Event()
    try:
        own = Toolbox([told(lambda _: str(end.wait()))], Bounds(seconds=0.01))
        reasons = [own.call(ToolCall("own", '{"text": ""}')).reason for _ in range(3)]
        assert reasons == ["too_slow", "too_slow", "too_busy"]
    finally:
        end.set()


def test_without_a_limit_of_time_a_tool_runs_in_the_caller_s_thread() -> None:
    own = Toolbox([told(lambda _: str(get_ident()))], Bounds(seconds=0))
    assert own.call(ToolCall("own", '{"text": ""}')).text == str(get_ident())


def test_many_threads_may_call() -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: BOX.call(ToolCall("calculator", f'{{"expression": "{n}+1"}}')).text, range(64)))
    assert found == [f"{n + 1}.00" for n in range(64)]
