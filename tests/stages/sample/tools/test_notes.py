"""Notes: their results are right, and held-out ones share no number, date or place of news with the others."""

from __future__ import annotations

import re

import pytest

from stages.formats.calls.inline import InlineCall, find_calls, without_calls
from stages.sample.tools.config import NOTE_TOOLS, NoteTool
from stages.sample.tools.notes import Note, demonstrations, mayors, news, notes
from stages.toolbox.calculator import calculate
from stages.toolbox.dates import today_is
from stages.toolbox.search import make_index


def made(tool: NoteTool, held_out: bool) -> list[Note]:
    return [*notes(1, tool, held_out, 120, "x")]


@pytest.mark.parametrize("tool", NOTE_TOOLS)
def test_the_call_stands_before_the_answer_and_leaves_the_text(tool: NoteTool) -> None:
    for note in made(tool, False):
        (call,) = find_calls(note.called)
        assert isinstance(call, InlineCall)
        assert (call.tool, call.input, call.result) == (note.tool, note.input, note.result)
        assert without_calls(note.called) == note.text == without_calls(note.prefixed)
        assert note.called[call.end :].lstrip().startswith(note.answer)
        assert note.answer in note.result
        assert without_calls(note.reply).startswith(note.answer)
        assert note.answer not in note.question.split()


def test_results_are_those_of_the_tools() -> None:
    for held_out in (False, True):
        assert all(note.result == calculate(note.input) for note in made("calculator", held_out))
        assert all(note.result == today_is(note.day) for note in made("calendar", held_out))
    index = make_index([*news(1)])
    for note in made("search", True):
        (found,) = index.search(note.input, 1)
        assert found.text == note.result


def test_held_out_notes_have_other_numbers_dates_and_places() -> None:
    numbers, days, asked = (
        [{value for each in made(tool, held_out) for value in values(each)} for held_out in (False, True)]
        for tool, values in (
            ("calculator", lambda each: re.findall(r"\d+", each.input)),
            ("calendar", lambda each: [each.day]),
            ("search", lambda each: [each.input]),
        )
    )
    for shown, held_out in (numbers, days, asked):
        assert shown
        assert held_out
        assert not shown & held_out


def test_every_place_has_a_mayor_in_both_languages() -> None:
    assert len([*news(1)]) == 2 * len(mayors(1))


def test_demonstrations_of_news_tell_other_names_than_the_pages() -> None:
    shown = [*demonstrations(1, "search", 120)]
    known = [*notes(1, "search", False, 120, "shown")]
    assert [each.begin for each in shown] == [each.begin for each in known]
    assert sum(one.answer != other.answer for one, other in zip(shown, known, strict=True)) > 100
    assert all(f" is {each.answer}," in each.result for each in shown)
