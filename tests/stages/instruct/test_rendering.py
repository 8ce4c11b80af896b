from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from stages.formats.chat.rejects import SAMPLES, Reject, Rejects
from stages.formats.tokenizer import Tokenizer
from stages.instruct.config import FewShot
from stages.instruct.leaks import Leaks
from stages.instruct.options import read_formats
from stages.instruct.rendering import Example, Limits, Renderer
from stages.instruct.rows import Row
from stages.instruct.templates import SANDBOXES, Template, read_shipped
from stages.shared.contract import InputFile

ROWS: list[Row | None] = [
    {"question": f"what is {n} and {n}?", "answer": str(2 * n), "rationale": f"it is the sum of {n} and {n}."}
    for n in range(12)
]


@pytest.fixture
def limits(tokenizer: InputFile) -> Limits:
    return Limits(Tokenizer(tokenizer.path), Leaks([]), 2048, 512, FewShot())


def rendered(rows: Sequence[Row | None], limits: Limits, **given: Any) -> tuple[list[Example], Rejects]:
    rejects = Rejects()
    settings = {"name": "u", "seed": 0, "templates": read_shipped("cot"), **given}
    return list(Renderer(formats=read_formats(), limits=limits, **settings).render(rows, rejects)), rejects


def test_every_row_has_an_example_in_every_style_that_a_template_and_the_row_allow(limits: Limits) -> None:
    examples, rejects = rendered(ROWS, limits)
    styles = ["zero_plain", "zero_cot", "zero_inverted", "few_plain", "few_cot", "few_inverted"]
    assert [(each.row, each.style) for each in examples] == [(n, style) for n in range(1, 13) for style in styles]
    assert rejects.counts == {"no_options": 4 * 12}
    assert len(rejects.samples) == SAMPLES
    assert rejects.samples[0] | {"detail": "", "template": ""} == {
        "reason": "no_options", "detail": "", "row": 1, "style": "zero_options", "template": "",
    }  # fmt: skip


def test_solved_examples_are_other_rows_in_the_same_wording_and_the_question_comes_last(limits: Limits) -> None:
    examples, _ = rendered(ROWS, limits, templates=read_shipped("question_answer"))
    few = [each for each in examples if each.style == "few_plain"]
    wording = {each.name: each for each in read_shipped("question_answer")}
    assert {len(each.shots) for each in few} == {1, 2, 3, 4, 5}
    for each in few:
        parts = [wording[each.template].render(ROWS[row - 1] or {}, Random(0)) for row in (*each.shots, each.row)]
        solved = [f"{prompt}\n{target}" for prompt, target in parts[:-1]]
        assert each.prompt in {delimiter.join((*solved, parts[-1][0])) for delimiter in FewShot().delimiters}
        assert each.target == parts[-1][1]
        assert each.row not in each.shots
        assert len(set(each.shots)) == len(each.shots)


def test_a_question_that_stands_in_the_file_twice_is_not_its_own_solved_example(limits: Limits) -> None:
    examples, rejects = rendered([ROWS[1], ROWS[1], None], limits)
    assert not [each for each in examples if each.style == "few_plain"]
    assert rejects.counts["no_solved_example_fits"] == 2 * 3


def test_options_have_one_format_within_a_prompt(limits: Limits) -> None:
    rows: list[Row | None] = [{**(row or {}), "options": ["-1", str(2 * n)]} for n, row in enumerate(ROWS)]
    examples, rejects = rendered(rows, limits)
    few = [each for each in examples if each.style.startswith("few_options")]
    assert (len(few), rejects.counts) == (24, {})
    for each in few:
        blocks = [line for line in each.prompt.split("\n") if line.rstrip(".;").endswith("-1")]
        assert len(blocks) == len(each.shots) + 1
        assert len(set(blocks)) == 1


def test_a_template_of_promptsource_takes_a_row_as_it_is(limits: Limits) -> None:
    row: Row = {"options": ["(A) x", "(B) y"], "answer": "B"}
    text = "{{options | join}} ||| {{answer}}"
    templates = [Template("race", "plain", SANDBOXES[True].from_string(text))]
    (example,) = rendered([row], limits, templates=templates)[0]
    assert (example.prompt, example.target) == ("(A) x(B) y", "B")


def test_solved_examples_give_way_until_the_prompt_fits(tokenizer: InputFile) -> None:
    tight = Limits(Tokenizer(tokenizer.path), Leaks([]), 2048, 512, FewShot(shots=5, max_prompt=90))
    examples, _ = rendered(ROWS, tight)
    few = [each for each in examples if each.style == "few_cot"]
    assert few
    assert max(len(tight.tokenizer.encode(each.prompt)) for each in few) <= 90
    assert max(len(each.shots) for each in few) < 5


def test_what_is_too_long_or_blank_is_counted_and_no_other_example_changes(limits: Limits) -> None:
    long, blank = {"question": "what? " * 2100, "answer": "1"}, {"question": "what?", "answer": " "}
    endless = {"question": "what?", "answer": "sum " * 600}
    plain = [each for each in read_shipped("question_answer") if each.form == "plain"]
    examples, rejects = rendered([*ROWS, long, blank, endless, None], limits, templates=plain)
    assert rejects.counts == {"prompt_too_long": 2, "blank_target": 2, "target_too_long": 2}
    zero = [each for each in examples if each.style == "zero_plain"]
    assert zero == [each for each in rendered(ROWS, limits, templates=plain)[0] if each.style == "zero_plain"]


@pytest.mark.parametrize("text", ["what is 1?", " \u4f60\u597d\U0001f600", "", "\ud800x"])
def test_a_limit_counts_tokens_exactly(text: str, limits: Limits) -> None:
    length = len(limits.tokenizer.encode(text))
    assert [limits.fits(text, limit) for limit in (length - 1, length, length + 1)] == [False, True, True]


def test_draws_change_with_the_seed_and_the_unit(limits: Limits) -> None:
    first, again, seed, unit = (
        rendered(ROWS, limits, **given)[0] for given in ({}, {}, {"seed": 1}, {"name": "other"})
    )
    assert first == again
    assert first not in (seed, unit)
    assert seed != unit


def test_half_a_surrogate_pair_is_kept_as_a_question_mark_so_that_samples_can_be_written() -> None:
    rejects = Rejects()
    rejects.add(Reject("odd", "a\ud800b"), record=1)
    assert rejects.samples == [{"reason": "odd", "detail": "a?b", "record": 1}]
