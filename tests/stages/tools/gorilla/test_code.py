from __future__ import annotations

from stages.tools.gorilla.code import Argument, CodeCall, Opaque, calls_in, parse


def test_calls_have_names_and_literal_arguments_and_others_as_they_are_written() -> None:
    found = list(calls_in(parse(b"m = a.b(1, x='y', n=name, l=[1, 2])  # f(2)")))
    named = (Argument("x", "y"), Argument("n", Opaque("name")), Argument("l", [1, 2]))
    assert found == [CodeCall("a.b", (Argument("", 1), *named))]


def test_outer_calls_come_first_and_broken_ones_not_at_all() -> None:
    assert [call.name for call in calls_in(parse(b"f(g(1)).h(2)"))] == ["f(g(1)).h", "f", "g"]
    assert not list(calls_in(parse(b"f(1")))
