from __future__ import annotations

from datetime import date

import pytest

from stages.formats.calls.functions import parse_function
from stages.formats.chat.rejects import Reject
from stages.toolbox.search import make_index
from stages.toolbox.tools import Tool, calculator, calendar, question, search, translation


def test_each_tool_answers_and_is_declared() -> None:
    passages = ["The mill sells flour.", "The bridge has a keeper."]
    tools = [
        *(calculator(), calendar(lambda: date(2023, 1, 30)), search(make_index(passages))),
        *(question(str.upper), translation(str.lower, lambda text: "de")),
    ]
    inputs = ["735/499", "", "Who keeps the bridge?", "who?", "WER?"]
    answers = ["1.47", "Today is Monday, January 30, 2023.", passages[1], "WHO?", "wer?"]
    assert [tool.answer(given) for tool, given in zip(tools, inputs, strict=True)] == answers
    assert [tool.inline_name for tool in tools] == ["Calculator", "Calendar", "Search", "Question", "Translation"]
    assert [tool.function.names for tool in tools] == [["expression"], [], ["query"], ["question"], ["text"]]
    for tool in tools:
        function = tool.function
        inner = {"name": function.name, "description": function.description, "parameters": function.parameters}
        assert parse_function({"type": "function", "function": inner}) == function


def test_a_search_returns_the_passages_it_may() -> None:
    tool = search(make_index(["a flour", "b flour", "c flour"]), count=2)
    assert tool.answer("flour") == "a flour\nb flour"


@pytest.mark.parametrize(
    ("tool", "given", "reason"),
    [
        (calculator(), "1/0", "bad_expression"),
        (calendar(lambda: date(2023, 1, 30)), "tomorrow", "bad_input"),
        (calendar(lambda: None), "", "no_date"),
        (search(make_index(["flour"])), "zebra", "nothing_found"),
        (translation(str.lower, lambda text: "en"), "Who?", "is_english"),
        (translation(str.lower, lambda text: ""), "?", "no_language"),
    ],
)
def test_an_input_that_a_tool_cannot_take_is_refused(tool: Tool, given: str, reason: str) -> None:
    with pytest.raises(Reject) as refused:
        tool.answer(given)
    assert refused.value.reason == reason
