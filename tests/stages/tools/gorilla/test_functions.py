from __future__ import annotations

import pytest

from stages.formats.calls.apis import Api
from stages.formats.calls.questions import Question
from stages.tools.gorilla.functions import FunctionScorer

APIS = [
    Api(domain="Boats", api_call="hire_boat(place='place', days='days')"),
    Api(domain="Letters", api_call="pipeline('translation', model='town/small')"),
    Api(domain="Letters", api_call="pipeline('translation', model='town/large')"),
    Api(domain="Hours", api_call="opening_hours()"),
]
BOAT = Question(id="1", text="", api=Api(domain="Boats", api_call="hire_boat(place='Amble', days=7)"))
MODEL = Question(id="2", text="", api=APIS[1])
NONE = Question(id="3", text="", api=None)


def answer(code: str) -> str:
    return f"<<<api_call>>>: {code}\n<<<api_provider>>>: x"


@pytest.mark.parametrize(
    ("question", "text", "published", "strict", "why"),
    [
        (BOAT, answer("hire_boat(place='Amble', days=7)"), "correct", "correct", ""),
        (BOAT, answer("hire_boat(days=7, place='amble')"), "wrong", "correct", ""),
        (BOAT, answer("hire_boat(place='Amble', days=70)"), "correct", "wrong", "other_value"),
        (BOAT, answer("hire_boat(place='Amble', days='7')"), "correct", "wrong", "other_type"),
        (BOAT, answer("hire_boat(place='Amble')"), "wrong", "wrong", ""),
        (BOAT, answer("opening_hours()"), "wrong", "wrong", ""),
        (BOAT, answer("hire_ship(place='Amble', days=7)"), "hallucination", "hallucination", ""),
        (BOAT, answer("hire_boat(place='Amble', days=7"), "correct", "unparsed", "unparsed"),
        (BOAT, "No API fits this request.", "noformat", "noformat", ""),
        (MODEL, answer("pipeline('translation', model='town/small')"), "correct", "correct", ""),
        (MODEL, answer("pipeline('translation', model='town/large')"), "wrong", "wrong", ""),
        (MODEL, answer("pipeline('translation', model='town/huge')"), "hallucination", "hallucination", ""),
        (NONE, "No API fits this request.", "refused", "refused", ""),
        (NONE, answer("hire_boat(place='Amble', days=7)"), "called", "called", ""),
    ],
)
def test_a_call_must_have_the_arguments_of_the_request(
    question: Question, text: str, published: str, strict: str, why: str
) -> None:
    row = FunctionScorer(APIS).score(question, text)
    assert (row.published, row.strict, row.why) == (published, strict, why)
