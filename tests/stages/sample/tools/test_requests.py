"""Requests: none names its API, and held-out ones share neither wording nor values with the others."""

from __future__ import annotations

import re

from stages.formats.calls.questions import Question
from stages.sample.tools.requests import DEMANDS, WORDINGS, requests
from stages.sample.tools.town import MODELS
from stages.tools.gorilla.wording import names_api

TRAINED, HELD_OUT = ([*requests(1, held_out, 3)] for held_out in (False, True))


def calls(questions: list[Question]) -> set[str]:
    return {each.api.api_call for each in questions if each.api and "place=" in each.api.api_call}


def places(questions: list[Question]) -> set[str]:
    return {re.findall("place='(.*?)'", call)[0] for call in calls(questions)}


def test_no_request_names_its_api_and_ids_are_their_own() -> None:
    for found in (TRAINED, HELD_OUT):
        assert not [each.text for each in found if each.api and names_api(each.text, each.api)]
        assert len({each.id for each in found}) == len(found)


def test_every_api_is_asked_in_both_languages_and_no_api_serves_a_fifth() -> None:
    for found in (TRAINED, HELD_OUT):
        assert len({(each.api.api_name, each.text.isascii()) for each in found if each.api}) == 80
        assert sum(each.api is None for each in found) == len(found) // 5


def test_held_out_requests_have_other_texts_and_other_places() -> None:
    assert not {each.text for each in TRAINED} & {each.text for each in HELD_OUT}
    assert not places(TRAINED) & places(HELD_OUT)


def test_a_call_has_the_values_as_the_request_has_them() -> None:
    for each in (*TRAINED, *HELD_OUT):
        for value in re.findall(r"(?:place|days|number)='?(.*?)'?[,)]", each.api.api_call if each.api else ""):
            assert value in each.text


def test_one_model_alone_meets_a_demand() -> None:
    for each in (*TRAINED, *HELD_OUT):
        if each.api is None or each.api.framework != "transformers":
            continue
        accuracy, mb = (
            int(re.findall(pattern, each.text)[0])
            for pattern in (r"(?:对)?(\d+)(?: of 100|字，|字。)", r"(\d+)(?: MB|兆)")
        )
        fits = [
            model.name
            for model in MODELS
            if model.task == each.api.functionality and model.accuracy >= accuracy and model.size <= mb
        ]
        assert fits == [each.api.api_name]


def test_each_operation_has_wordings_to_train_on_and_one_held_out() -> None:
    assert all(len(forms) >= 2 for forms in (*WORDINGS.values(), *DEMANDS.values()))
