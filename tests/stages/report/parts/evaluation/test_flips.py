from collections.abc import Sequence
from pathlib import Path

import pytest

from stages.formats.results import Outcomes, Results, Sample
from stages.report.parts.evaluation.comparison import compare
from stages.report.parts.evaluation.flips import MAX_CHARS, Flip, Shown, flips, select, texts
from stages.report.parts.evaluation.verdicts import duel
from tests.stages.report.journey import evaluation_key, score


def results(source: str, values: Sequence[float], task: str = "t", metric: str = "acc", group: str = "") -> Results:
    outcomes = Outcomes(items=tuple(f"q{n}" for n in range(len(values))), values={metric: tuple(values)})
    return Results(
        key=evaluation_key(source, group or task),
        scores=(score(group or task, metric, sum(values) / len(values), 0.1),),
        outcomes={task: outcomes},
        members={group: (task,)} if group else {},
    )


def found(one: Results, other: Results) -> list[Flip]:
    return flips([one, other], duel(one.key.source, other.key.source, compare([one, other])))


def sample(
    logprobs: Sequence[float], target: object = 0, prompt: str = "Q?", choices: Sequence[str] = (" a", " bb")
) -> Sample:
    return Sample(
        task="t", filter="none", target=target, filtered=tuple([each, False] for each in logprobs),
        arguments=tuple((prompt, each) for each in choices), responses=tuple([[each, False]] for each in logprobs),
    )  # fmt: skip


def shown(one: Sample, other: Sample, values: tuple[float, float] = (0.0, 1.0), metric: str = "acc") -> Shown:
    (flip,) = found(results("new", values[:1], metric=metric), results("old", values[1:], metric=metric))
    text = texts(flip, {flip.one: one, flip.other: other}, {flip.one.key: Path("units/x/samples.jsonl")})
    assert text is not None
    return text


def test_questions_that_differ_are_flips_losses_first() -> None:
    flipped = found(results("new", [1, 1, 0, 0]), results("old", [1, 0, 1, 0]))
    assert [(each.item, each.is_loss, each.one.index, each.values) for each in flipped] == [
        ("q2", True, 2, (0, 1)), ("q1", False, 1, (1, 0)),
    ]  # fmt: skip


def test_questions_are_matched_by_name_not_by_place() -> None:
    one, other = results("new", [1, 0]), results("old", [1])
    (flip,) = found(one, Results(**{**vars(other), "outcomes": {"t": Outcomes(items=("q1",), values={"acc": (1.0,)})}}))
    assert (flip.item, flip.one.index, flip.other.index) == ("q1", 1, 0)


def test_the_questions_of_a_group_are_those_of_its_tasks() -> None:
    (flip,) = found(results("new", [0], "law", group="mmlu"), results("old", [1], "law", group="mmlu"))
    assert (flip.column.task, flip.task) == ("mmlu", "law")


def test_every_task_has_its_share_of_losses_and_gains() -> None:
    some = found(results("new", [0] * 100 + [1] * 2, "a"), results("old", [1] * 100 + [0] * 2, "a"))
    more = found(results("new", [0] * 3, "b"), results("old", [1] * 3, "b"))
    kept = select([*some, *more], 12)
    assert [(each.task, each.is_loss) for each in kept] == [("a", True)] * 7 + [("a", False)] * 2 + [("b", True)] * 3
    assert select([], 12) == []


def test_choices_stand_side_by_side_with_what_each_checkpoint_took() -> None:
    text = shown(sample([-9.0, -1.0]), sample([-1.0, -9.0]))
    assert [each.text for each in text.prompts] == ["Q?"]
    assert [(each.text, each.logprobs, each.is_target, each.is_chosen) for each in text.choices] == [
        (" a", (-9.0, -1.0), True, (False, True)), (" bb", (-1.0, -9.0), False, (True, False)),
    ]  # fmt: skip
    assert text.files == (Path("units/x/samples.jsonl"), None)


def test_a_choice_is_marked_only_if_it_agrees_with_the_recorded_value() -> None:
    normed = shown(sample([-2.0, -3.0]), sample([-1.0, -3.0]), metric="acc_norm")
    assert [each.is_chosen for each in normed.choices] == [(False, True), (True, False)], "by characters -2 and -1.5"
    other = shown(sample([-1.0, -9.0]), sample([-1.0, -9.0]), metric="acc_other")
    assert [each.is_chosen for each in other.choices] == [(False, False), (False, False)]


def test_generated_texts_are_shown_with_what_was_read_from_them() -> None:
    one, other = (
        Sample(
            task="t", filter="none", arguments=(("Q?", {"until": ["\n"]}),), target="7",
            responses=([text],), filtered=(text[-1],),
        )
        for text in ("is 6", "is 7")
    )  # fmt: skip
    text = shown(one, other)
    assert (text.answers, text.extracted, text.target, text.choices) == (("is 6", "is 7"), ("6", "7"), "7", ())


@pytest.mark.parametrize("length", [MAX_CHARS, MAX_CHARS + 1])
def test_a_long_prompt_keeps_its_end(length: int) -> None:
    text = shown(sample([0, 0], prompt="x" * (length - 1) + "?"), sample([0, 0]))
    assert len(text.prompts[0].text) == MAX_CHARS
    assert text.prompts[0].text.endswith("?")
    assert text.prompts[0].is_cut == (length > MAX_CHARS)


def test_choices_with_their_own_prompts_are_named_by_these() -> None:
    asked = Sample(
        task="t", filter="none", target=1, filtered=(), responses=([[-1.0, False]], [[-2.0, False]]),
        arguments=(("Ann is", " tall"), ("Bob is", " tall")),
    )  # fmt: skip
    text = shown(asked, asked)
    assert [each.text for each in text.choices] == ["Ann is", "Bob is"]
    assert text.prompts[0].text == "Ann is\n\nBob is"


def test_a_flip_without_its_samples_is_not_shown() -> None:
    (flip,) = found(results("new", [0]), results("old", [1]))
    assert texts(flip, {}, {}) is None
