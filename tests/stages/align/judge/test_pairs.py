"""Pairs of a shard: each policy against one of them, and controls at equal distances."""

from __future__ import annotations

import pytest

from stages.align.answers import Answers, Prompt
from stages.align.judge.pairs import Pair, pairs_of
from stages.formats.chat.chats import text_message


def answers(count: int, same_prompt: bool = False) -> list[Answers]:
    return [
        Answers(
            prompt=Prompt(messages=(text_message("user", f"question {0 if same_prompt else number}"),), source=""),
            sample=number if same_prompt else 0,
            texts={"sft": f"sft {number}", "ppo": f"ppo {number}", "dpo": f"dpo {number}"},
        )
        for number in range(count)
    ]


def shown(pairs: list[Pair]) -> list[tuple[str, str, str]]:
    return [(each.policy, each.control, f"{each.answers[0]} / {each.answers[1]}") for each in pairs]


def test_each_policy_meets_the_one_and_controls_follow_their_prompt() -> None:
    found = shown(list(pairs_of(answers(4), 0, 1, controls=2)))
    assert found[:4] == [
        ("ppo", "", "ppo 0 / sft 0"),
        ("dpo", "", "dpo 0 / sft 0"),
        ("sft", "same", "sft 0 / sft 0"),
        ("sft", "shuffled", "sft 1 / sft 0"),
    ]
    assert [text for _, control, text in found if control] == [
        "sft 0 / sft 0", "sft 1 / sft 0", "sft 2 / sft 2", "sft 3 / sft 2",
    ]  # fmt: skip


@pytest.mark.parametrize("controls", [0, 3, 100])
@pytest.mark.parametrize("shards", [2, 3, 20])
def test_shards_have_the_pairs_of_one(shards: int, controls: int) -> None:
    whole = list(pairs_of(answers(11), 0, 1, controls))
    assert [pair for place in range(shards) for pair in pairs_of(answers(11), place, shards, controls)] == whole
    assert sum(pair.control == "same" for pair in whole) == min(controls, 11)


def test_another_sample_of_one_prompt_is_no_answer_to_another_prompt() -> None:
    found = list(pairs_of(answers(3, same_prompt=True), 0, 1, controls=3))
    assert {pair.control for pair in found} == {"", "same"}
