from typing import Any

import pytest

from stages.synthesize.config import METHODS, OPERATIONS, PROMPTS
from stages.synthesize.wording import Wording
from stages.teacher.rendering import render

LANGUAGES = [(method, path.stem) for method in METHODS for path in sorted((PROMPTS / method).glob("*.yaml"))]
HOSTILE = "{{ 7 * 7 }} {% raw %}"
TASKS = [{"instruction": HOSTILE, "input": "", "output": "o"}]


def test_each_method_has_the_same_words_in_both_languages() -> None:
    assert {method for method, _ in LANGUAGES} == set(METHODS) - {"read"}
    for method in set(METHODS) - {"read"}:
        one, other = (Wording(method, language, {})._values for language in ("en", "zh"))
        assert one.keys() == other.keys(), method


@pytest.mark.parametrize(("method", "language"), LANGUAGES)
def test_every_prompt_renders_and_a_value_is_never_a_template(method: str, language: str) -> None:
    wording = Wording(method, language, {"stop": None, "max_tokens": 7})  # type: ignore[arg-type]
    for prompt, value in wording._values.items():
        if isinstance(value, dict) and "text" in value:
            values: dict[str, Any] = {"tasks": TASKS, "instruction": HOSTILE, "parent": "p", "method": "m"}
            values |= {"captions": [HOSTILE], "boxes": [], "description": HOSTILE}
            request = wording.request(prompt, **values)
            assert HOSTILE in request.messages[-1]["content"]
            assert request.parameters["max_tokens"] == 7
            assert "stop" not in request.parameters


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_format_of_a_question_has_its_instruction_and_input(language: str) -> None:
    wording = Wording("self_instruct", language, {})
    assert (len(wording.words("with_input")), len(wording.words("without_input"))) == (7, 6)
    for name in ("with_input", "without_input"):
        for text in wording.words(name):
            question = render(text, instruction="do", input="given")
            assert "do" in question
            assert ("given" in question) == (name == "with_input")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_operation_of_deepening_has_a_method(language: str) -> None:
    methods = Wording("evol_instruct", language, {}).named("methods")
    assert [*methods, "breadth"] == list(OPERATIONS)


def test_a_start_is_found_behind_quotation_marks_alone() -> None:
    refusals = Wording("self_instruct", "en", {}).refusals
    assert all(refusals.match(text) for text in ("I'm sorry, no.", '"Sorry, but', "As an AI model", "I cannot assist"))
    assert not any(refusals.match(text) for text in ("Write: I'm sorry", "I can't choose a phone. Help me."))
