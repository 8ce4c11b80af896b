"""Quotes: each answer repeats its list, and all places and numbers are in some list."""

from __future__ import annotations

import ast
import json

from stages.formats.chat.chats import to_record
from stages.sample.chinese import PLACE_NAMES
from stages.sample.tools.quotes import NUMBERS, quotes
from stages.sample.world import PLACES

FOUND = [
    [part["text"] for message in to_record(chat)["messages"] for part in message["parts"]]
    for chat in quotes(1, 3000, "x")
]


def test_an_answer_repeats_its_list_as_it_is_or_as_python_writes_it() -> None:
    listed = [(question, ast.literal_eval(answer)) for question, answer in FOUND if answer.startswith("[")]
    said = [(question, answer) for question, answer in FOUND if not answer.startswith("[")]
    assert min(len(listed), len(said)) > 0.4 * len(FOUND)
    assert all(answer in question for question, answer in said)
    assert all(
        ", ".join(map(str, items)) in question or "\uff0c".join(map(str, items)) in question
        for question, items in listed
    )


def test_lists_have_every_place_in_both_languages_and_every_number() -> None:
    texts = json.dumps(FOUND, ensure_ascii=False)
    assert not [place for place in (*PLACES, *PLACE_NAMES.values()) if f"'{place}'" not in texts]
    assert not [number for number in range(NUMBERS[0], NUMBERS[1] + 1) if f", {number}, " not in texts]
