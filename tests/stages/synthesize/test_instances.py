from random import Random

import pytest

from stages.formats.chat.rejects import Reject
from stages.synthesize.instances import Instance, is_yes, parse_instances, sound
from stages.synthesize.wording import Wording
from stages.teacher.request import Answer

EN, ZH = Wording("self_instruct", "en", {}), Wording("self_instruct", "zh", {})


def parsed(text: str, is_classification: bool = False, wording: Wording = EN, finish: str = "stop") -> list[object]:
    answer = Answer(text=text, finish=finish)  # type: ignore[arg-type]
    found = parse_instances(answer, is_classification, wording)
    return [each.reason if isinstance(each, Reject) else tuple(each) for each in found]


@pytest.mark.parametrize(
    ("text", "instances"),
    [
        ("Output: It is 3.", [("", "It is 3.")]),
        ("Output:\n- a\n- b", [("", "- a\n- b")]),
        ("Sentence: x\nOutput: y", [("Sentence: x", "y")]),
        ("Example 1\nList: [2, 1]\nOutput: [1, 2]\n\nExample 2\nInput 2 - List: [3]\nOutput: [3]", [
            ("List: [2, 1]", "[1, 2]"), ("Input 2 - List: [3]", "[3]"),
        ]),
        ("**Example 1:**\nInput: x\n**Output:** y\n**Example 2:**\nInput: z\nOutput 2: w", [("x", "y"), ("z", "w")]),
        ("Example 1\nInput: For example: no\nOutput: see Output\nInput: more", [("For example: no", "see Output")]),
        ("Just a text", ["no_instance"]),
        ("", ["no_instance"]),
    ],
)  # fmt: skip
def test_inputs_come_before_their_outputs(text: str, instances: list[object]) -> None:
    assert parsed(text) == instances


def test_labels_come_before_their_inputs() -> None:
    text = "Class label: Yes\nText: a\nClass: b\nClass label: No\nText: c"
    assert parsed(text, True) == [("Text: a\nClass: b", "Yes"), ("Text: c", "No")]
    assert parsed("Class label: Montreal", True) == [("", "Montreal")]
    assert parsed("类别标签：正面\n评论：好\n类别标签：负面\n评论：差", True, ZH) == [
        ("评论：好", "正面"),
        ("评论：差", "负面"),
    ]
    assert parsed("例子 1\n列表：[2]\n输出：[2]\n例子 2\n输出：无", False, ZH) == [("列表：[2]", "[2]"), ("", "无")]


def test_the_last_instance_of_a_cut_answer_is_rejected() -> None:
    text = "Example 1\nx\nOutput: y\nExample 2\nz\nOutput: w"
    assert parsed(text, finish="length") == ["cut_answer", ("x", "y")]
    assert parsed("no mark", finish="length") == ["no_instance"]
    assert parsed(text, finish="filter") == ["no_answer"]


@pytest.mark.parametrize(
    ("text", "wording", "expected"),
    [("Yes", EN, True), (" yes.", EN, True), ("**Yes**", EN, True), ("No", EN, False), ("", EN, False),
     ("Not: yes", EN, False), ("是的", ZH, True), ("否", ZH, False), ("不是", ZH, False)],
)  # fmt: skip
def test_a_classification_is_what_the_answer_begins_with(text: str, wording: Wording, expected: bool) -> None:
    assert is_yes(Answer(text=text, finish="length"), wording) is expected


def outcome(*pairs: tuple[str, str], most: int = 5) -> list[object]:
    found = sound([Instance(*pair) for pair in pairs], most, Random(0))
    return [each.reason if isinstance(each, Reject) else tuple(each) for each in found]


def test_instances_of_no_use_are_rejected_with_their_reasons() -> None:
    assert outcome(("a", "b"), ("c", " "), ("d", "d"), ("e:", "f"), ("g", "h："), ("a", "b")) == [
        "blank_output", "output_is_the_input", "ends_with_a_colon", "ends_with_a_colon", "same_instance", ("a", "b"),
    ]  # fmt: skip


def test_one_input_with_two_outputs_takes_all_with_it() -> None:
    assert outcome(("a", "b"), ("a", "c"), ("x", "y")) == ["same_input_other_output"] * 3
    assert outcome(("", "b"), ("", "c")) == [("", "b"), ("", "c")]


def test_some_of_many_are_drawn() -> None:
    found = outcome(*((str(n), f"o{n}") for n in range(9)), most=3)
    assert found.count("surplus") == 6
    assert len(found) == 9
