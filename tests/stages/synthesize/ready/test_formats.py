from typing import Any

import pytest

from stages.formats.chat.rejects import Reject
from stages.synthesize.config import Format, ReadySettings
from stages.synthesize.ready.formats import conversations


def read(record: Any, format_: Format) -> list[list[tuple[str, str]]]:
    return [[tuple(turn) for turn in turns] for turns in conversations(record, ReadySettings(format=format_))]


PAIR = [("user", "Add.\n\n1, 2"), ("assistant", "3")]


@pytest.mark.parametrize(
    ("format_", "record"),
    [
        ("alpaca", {"instruction": "Add.", "input": "1, 2", "output": "3"}),
        ("belle", {"instruction": "Add.\n\n1, 2", "input": None, "output": "3"}),
        ("alpaca", {"instruction": "Add.\n\n1, 2", "input": " <noinput>", "output": "3"}),
        ("sharegpt", {"items": [{"from": "human", "value": PAIR[0][1]}, {"from": "gpt", "value": "3"}]}),
        ("sharegpt", {"conversation": [
            {"role": "user", "content": PAIR[0][1]}, {"role": "assistant", "content": "3"},
        ]}),
        ("dolly", {"instruction": "Add.", "context": "1, 2", "response": "3", "category": "qa"}),
        ("self_instruct", {"instruction": "Add.", "instances": [{"input": "1, 2", "output": "3"}]}),
        ("sharegpt", {"conversations": [{"from": "human", "value": PAIR[0][1]}, {"from": "gpt", "value": "3"}]}),
        ("sharegpt", {"messages": [{"role": "user", "content": PAIR[0][1]}, {"role": "assistant", "content": "3"}]}),
        ("oasst", {"message_tree_id": "1", "prompt": {
            "text": PAIR[0][1], "role": "prompter", "replies": [{"text": "3", "role": "assistant"}],
        }}),
    ],
)  # fmt: skip
def test_each_format_gives_the_same_conversation(format_: Format, record: Any) -> None:
    assert read(record, format_) == [PAIR]


def test_the_turns_within_an_instruction_of_belle_are_turns() -> None:
    spoken = "Human: 你好\n Assistant:您好\nHuman：Human: 是什么\nAssistant:"
    assert read({"instruction": spoken, "output": "人"}, "belle") == [
        [("user", " 你好\n"), ("assistant", "您好\n"), ("user", "Human: 是什么\n"), ("assistant", "人")]
    ]


def test_an_answer_of_sharegpt_is_unwrapped_and_a_question_is_not() -> None:
    turns = [{"from": "human", "value": "<p>x</p>"}, {"from": "gpt", "value": "<p>y</p>"}]
    assert read({"conversations": turns}, "sharegpt") == [[("user", "<p>x</p>"), ("assistant", "y")]]


@pytest.mark.parametrize(
    ("format_", "record", "reason"),
    [
        ("alpaca", {"instruction": "x"}, "other_format"),
        ("alpaca", ["x"], "not_an_object"),
        ("alpaca", {"instruction": "x", "output": 3}, "not_a_text"),
        ("belle", {"instruction": 3, "output": "x"}, "not_a_text"),
        ("sharegpt", {"conversations": None}, "other_format"),
        ("sharegpt", {"conversations": ["x"]}, "other_format"),
        ("sharegpt", {"conversations": [{"from": "tool", "value": "x"}]}, "unknown_role"),
        ("self_instruct", {"instruction": "x", "instances": {"input": ""}}, "other_format"),
        ("oasst", {"prompt": "x"}, "other_format"),
    ],
)
def test_another_record_is_rejected_with_its_reason(format_: Format, record: Any, reason: str) -> None:
    with pytest.raises(Reject) as caught:
        read(record, format_)
    assert caught.value.reason == reason
