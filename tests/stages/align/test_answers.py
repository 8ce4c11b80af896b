"""Answers of policies: three formats, joined by prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.align.answers import Joined, join_answers, policies_of
from stages.formats.chat.chats import text_message
from stages.formats.reinforcement.rollouts import Rollout, write_rollouts
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError


def rollouts(folder: Path, policy: str, prompts: list[int], samples: int = 1) -> InputFile:
    made = [
        Rollout(
            prompt=f"web/{number}",
            messages=(text_message("user", f"question {number}"),),
            sample=sample,
            finish="eos",
            policy="4be1",
            text=f"{policy} {number}.{sample}",
            context=(1,),
            tokens=(2, 3),
            logprobs=(-0.5, -0.5),
        )
        for number in prompts
        for sample in range(samples)
    ]
    write_rollouts(folder / f"{policy}.jsonl", made)
    return InputFile(folder / f"{policy}.jsonl", policy)


def chats(folder: Path, policy: str, numbers: list[int]) -> InputFile:
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"question {n}"},
                {"role": "assistant", "content": f"{policy} {n}"},
            ]
        }
        for n in numbers
    ]
    (folder / f"{policy}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "\n")
    return InputFile(folder / f"{policy}.jsonl", policy)


def texts(joined: Joined) -> list[dict[str, str]]:
    return [dict(each.texts) for each in joined.answers]


def test_rollouts_chats_and_generations_of_one_prompt_meet(tmp_path: Path) -> None:
    files = [rollouts(tmp_path, "ppo", [0, 1]), chats(tmp_path, "sft", [1, 2, 0])]
    generation = {"prompt": "question 1", "continuation": "base 1", "tokens": 2}
    (tmp_path / "base.jsonl").write_text(json.dumps(generation) + "\n")
    joined = join_answers([*files, InputFile(tmp_path / "base.jsonl", "base")], "sft")
    assert texts(joined) == [{"sft": "sft 1", "ppo": "ppo 1.0", "base": "base 1"}, {"sft": "sft 0", "ppo": "ppo 0.0"}]
    assert joined.alone == {"sft": 1}
    (first, _) = (each.candidates() for each in joined.answers)
    assert [(each.text, each.source) for each in first.responses][:2] == [("sft 1", "sft"), ("ppo 1.0", "ppo")]


def test_sample_n_meets_sample_n_and_the_rest_is_alone(tmp_path: Path) -> None:
    files = [rollouts(tmp_path, "sft", [0, 1], samples=2), rollouts(tmp_path, "ppo", [0, 1], samples=3)]
    joined = join_answers(files, "sft")
    assert [each.sample for each in joined.answers] == [0, 1, 0, 1]
    assert texts(joined)[1] == {"sft": "sft 0.1", "ppo": "ppo 0.1"}
    assert joined.alone == {"ppo": 2}
    assert joined.answers[0].prompt.source == "web"


def test_shards_of_one_policy_are_one_policy(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    shards = [rollouts(tmp_path, "ppo", [0]), rollouts(tmp_path / "b", "ppo", [1])]
    joined = join_answers([*shards, chats(tmp_path, "sft", [0, 1])], "sft")
    assert len(joined.answers) == 2


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        "{}",
        '{"messages": []}',
        '{"messages": [{"role": "user", "content": "no answer"}]}',
        '{"messages": [{"role": "assistant", "content": "no question"}]}',
        '{"prompt": "a", "continuation": 3}',
        '{"prompt": 3, "continuation": "a"}',
        '{"prompt": "web/1", "messages": [], "text": "of no conversation"}',
        '{"cut": ',
    ],
)
def test_a_line_that_is_no_answer_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.jsonl").write_text(line + "\n")
    files = [InputFile(tmp_path / "bad.jsonl", "ppo"), chats(tmp_path, "sft", [0])]
    with pytest.raises(DataError, match=r"bad\.jsonl:1"):
        join_answers(files, "sft")


def test_policies_without_a_common_prompt_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no answer to a prompt that sft answers too"):
        join_answers([chats(tmp_path, "ppo", [0]), chats(tmp_path, "sft", [1])], "sft")


def test_fewer_than_two_policies_and_an_unknown_one_are_refused() -> None:
    files = [InputFile(Path("a"), "sft"), InputFile(Path("b"), "ppo")]
    assert policies_of(files, "ppo") == ["ppo", "sft"]
    with pytest.raises(ConfigError, match="of two policies"):
        policies_of(files[:1], "sft")
    with pytest.raises(ConfigError, match=r"against = 'pp'.*did you mean 'ppo'"):
        policies_of(files, "pp")
