from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from stages.formats.calls.inline import (
    BrokenCall,
    InlineCall,
    find_calls,
    insert_call,
    open_call,
    without_calls,
    write_call,
)
from stages.formats.calls.scan import MAX_DEPTH

HARD = [
    "",
    "a",
    "who (was) he?",
    'a"b',
    "'a'",
    "a\nb",
    " x",
    "(x",
    "C:\\new",
    "\\",
    "x]",
    "x -> y",
    "it's (",
    '"a" "b"',
    ")(",
]
RESULTS = [None, "", "3", "[1]", "]", "[", "\\", "\\]", "C:\\new", "[a] ]", "[Calculator(1)]", "a -> b"]


def only(text: str) -> InlineCall:
    (call,) = find_calls(text)
    assert isinstance(call, InlineCall)
    return call


@pytest.mark.parametrize(
    ("text", "tool", "given"),
    [
        ("so [Calculator((3+4)*2)] cats", "Calculator", "(3+4)*2"),
        ('[QA("who (was) he?")]', "QA", "who (was) he?"),
        ("[Calculator(400/1400)]", "Calculator", "400/1400"),
        ("[MT(l'eau (de) vie)] x", "MT", "l'eau (de) vie"),
        ("[Calendar()]", "Calendar", ""),
        ('[QA("a ] b")]', "QA", "a ] b"),
        ("[QA('x', 'y')]", "QA", "'x', 'y'"),
    ],
)
def test_calls_are_found_wherever_they_stand(text: str, tool: str, given: str) -> None:
    call = only(text)
    assert (call.tool, call.input, call.result) == (tool, given, None)


def test_results_may_hold_brackets_and_arrows_of_any_kind() -> None:
    assert only("a [C(1) -> [2, 3]] b").result == "[2, 3]"
    assert only("a [C(1) → x -> y] b").result == "x -> y"
    assert only('a [GR(GL("gpr", {"c"}), "node#4")-->r] b').result == "r"


def test_what_is_written_reads_back_whatever_it_holds() -> None:
    for given, result in product(HARD, RESULTS):
        written = f"t {write_call('T', given, result)} u"
        call = only(written)
        assert (call.input, call.result) == (given, result), written
        assert without_calls(written) == "t u"


@pytest.mark.parametrize("text", ["", "ab", "a b", "a  b", "a\n b", " a ", "\tb"])
def test_a_call_that_was_inserted_can_be_taken_out_again(text: str) -> None:
    for place in range(len(text) + 1):
        assert without_calls(insert_call(text, place, write_call("C", "1", "2"))) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a [C(1", "unclosed_bracket"),
        ('a [C("1)] b', "unclosed_string"),
        ("a [C(1] b", "mismatched_bracket"),
        ("a [C(1) b] c", "no_end"),
        ("a [C(1) -> 2", "unclosed_result"),
        ("a [C(" + "(" * MAX_DEPTH + ")", "too_deep"),
    ],
)
def test_a_call_without_a_right_end_has_a_reason_and_stays_text(text: str, reason: str) -> None:
    (broken,) = find_calls(text)
    assert isinstance(broken, BrokenCall)
    assert (broken.reason, broken.start) == (reason, 2)
    assert without_calls(text) == text


def test_links_and_citations_are_no_calls() -> None:
    assert not list(find_calls("[a link](http://x) and [1], [see f(x)], f(x)[0], [](y), [2(3)]"))


def test_a_call_waits_for_its_result_only_at_its_own_arrow() -> None:
    waiting = open_call("It is [Calculator(2*(3+4)) ->")
    assert waiting is not None
    assert waiting.input == "2*(3+4)"
    assert open_call("[C(1) -> 2] and [QA('a -> b') → ") is not None
    for text in ("[C(1) -> 2", "[QA(a ->", "[QA('a ->", "a -> ", "[C(1)]", "[C(1) -> 2] ->"):
        assert open_call(text) is None, text


def test_hostile_texts_end_in_linear_time() -> None:
    for text in ("[A(" * 5000, '[A("' * 5000, "[A(x) -> " * 5000, "[A('[A(\"" * 5000, "[A(x" + "(" * 50_000):
        assert all(isinstance(each, BrokenCall) for each in find_calls(text))


def test_published_calls_with_nested_brackets_are_read() -> None:
    path = Path(__file__).parents[5] / "shared" / "data" / "toolformer" / "graph_properties_prompts_test.txt"
    if not path.exists():
        pytest.skip("the published prompts are not here")
    found = list(find_calls(path.read_text()))
    assert len(found) == path.read_text().count("[GR(")
    assert all(isinstance(each, InlineCall) for each in found)
    assert {each.tool for each in found} == {"GR"}
