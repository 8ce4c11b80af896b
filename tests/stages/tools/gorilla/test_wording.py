from __future__ import annotations

import pytest

from stages.formats.calls.apis import Api
from stages.tools.gorilla.published import answered_code
from stages.tools.gorilla.wording import REFERENCE, answer_of, document_of, names_api, question_of

API = Api(domain="Sums", framework="Town", api_name="a/sum-2", api_call="hall.add(a='1')", example_code=["x", "y"])


def test_the_call_of_an_answer_is_what_the_scorer_reads() -> None:
    text = answer_of(API)
    assert answered_code(text, "torchhub") == "hall.add(a='1')"
    assert text.endswith("<<<code>>>: x\ny")


def test_a_question_has_its_documents_behind_it() -> None:
    assert question_of("Add.", []) == "Add."
    assert question_of("Add.", [document_of(API)]).startswith(f'Add.\n{REFERENCE} {{"domain": "Sums"')
    assert "description" not in document_of(API)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Use a/sum-2 for it", True),
        ("Use SUM-2 for it", True),
        ("call hall.add now", True),
        ("add one and two in the hall", False),
        ("sum 2 numbers", False),
    ],
)
def test_a_request_that_names_its_api_is_found(text: str, names: bool) -> None:
    assert names_api(text, API) == names


def test_a_name_that_is_a_word_counts_only_as_it_is_written() -> None:
    api = Api(domain="d", api_name="Whisper", api_call="load('w')")
    assert names_api("Use Whisper.", api)
    assert not names_api("They whisper; load it.", Api(domain="d", api_name="Whisper", api_call="f('w')"))
