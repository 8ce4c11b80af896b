from __future__ import annotations

from datetime import date

import pytest

from stages.conductor.expert import Call
from stages.conductor.experts.tools import tool_expert
from stages.conductor.plans import TASKS
from stages.formats.chat.rejects import Reject
from stages.toolbox.search import make_index
from stages.toolbox.tools import calculator, calendar, search


def test_tools_do_the_tasks_of_their_names() -> None:
    index = make_index(["bread in Alder costs 7 coins", "the flag of Wick is red"])
    experts = [tool_expert(each) for each in (calculator(), calendar(lambda: date(2024, 2, 29)), search(index))]
    assert {expert.entry.task for expert in experts} < TASKS
    calls = [Call(texts={"text": "3 * 12.50"}), Call(texts={"text": "ignored"}), Call(texts={"query": "flag Wick"})]
    assert [expert.run(call).text for expert, call in zip(experts, calls, strict=True)] == [
        "37.50",
        "Today is Thursday, February 29, 2024.",
        "the flag of Wick is red",
    ]


def test_a_sum_that_is_none_is_refused_with_the_tools_reason() -> None:
    with pytest.raises(Reject) as caught:
        tool_expert(calculator()).run(Call(texts={"text": "__import__('os')"}))
    assert caught.value.reason == "bad_expression"
