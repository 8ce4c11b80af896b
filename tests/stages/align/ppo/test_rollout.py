"""The policy's answers: which prompts there are, and which draws decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.align.ppo.rollout import Prompt, Sampler, policy_digest, read_prompts
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rollouts import Rollout
from stages.formats.tokenizer import Tokenizer
from stages.generate.sampling import Sampling, choose, logprobs_of
from stages.model import parallel
from stages.model.checkpoint.load import join_group
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.train.engine import Engine, build_engine
from stages.train.objectives.base import Role
from tests.stages.align.ppo.world import settings


@pytest.fixture(scope="module")
def tokenizer(prompts: Path) -> Tokenizer:
    return Tokenizer(prompts / KINDS.tokenizer.file)


@pytest.fixture(scope="module")
def engine(tokenizer: Tokenizer) -> Any:
    join_group()
    config = settings()
    yield build_engine(config, Role(config=config.model), tokenizer.vocab_size)
    parallel.stop()


def sampled(engine: Engine, tokenizer: Tokenizer, folder: Path, prompts: list[Prompt], **changes: Any) -> list[Rollout]:
    config = settings(**changes)
    return Sampler(config, tokenizer, 302).sample(engine, "p", 3, prompts, folder)


def test_a_sample_is_the_same_alone_and_among_others_and_all_differ(
    engine: Engine, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    many = [Prompt(f"a/{number}", (1, 9, 10 + number), "") for number in range(5)]
    four = {"samples": 4, "prompts_per_round": 5, "steps": 5}
    among = sampled(engine, tokenizer, tmp_path / "among", many, rollout_batch=20, **four)
    alone = sampled(engine, tokenizer, tmp_path / "alone", many[2:3], rollout_batch=1, **four)
    assert [rollout.tokens for rollout in alone] == [rollout.tokens for rollout in among[8:12]]
    assert len({rollout.tokens for rollout in among}) == 20
    assert [rollout.sample for rollout in alone] == [0, 1, 2, 3]


def test_a_prompt_that_comes_twice_in_a_round_has_other_samples(
    engine: Engine, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    twice = sampled(engine, tokenizer, tmp_path, [Prompt("a/1", (1, 9, 10), "")] * 2)
    assert twice[0].tokens != twice[1].tokens
    assert [rollout.sample for rollout in twice] == [0, 1]


def test_batches_of_the_policy_are_read_and_others_are_sampled_again(
    engine: Engine, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    prompts = [Prompt(f"a/{number}", (1, 9, 10 + number), "") for number in range(4)]
    made = sampled(engine, tokenizer, tmp_path, prompts, rollout_batch=2)
    kept, stale, torn = (tmp_path / name for name in ("batch-00000.jsonl", "batch-00001.jsonl", "batch-00001.npz"))
    before = kept.stat().st_mtime_ns
    whole = torn.read_bytes(), stale.read_bytes()
    for spoil in (lambda: torn.write_bytes(b"x"), lambda: stale.write_text(stale.read_text().replace('"p"', '"q"'))):
        spoil()
        assert sampled(engine, tokenizer, tmp_path, prompts, rollout_batch=2) == made
        assert (torn.read_bytes(), stale.read_bytes()) == whole
    assert kept.stat().st_mtime_ns == before


def test_the_ids_of_a_response_end_with_its_end_token_and_each_has_a_log_probability(
    engine: Engine, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    prompts = [Prompt(f"a/{number}", (1, 9, 10 + number), "") for number in range(64)]
    found = sampled(engine, tokenizer, tmp_path, prompts, rollout_batch=64)
    ended = [rollout for rollout in found if rollout.finish == "eos"]
    assert ended
    assert all(rollout.tokens[-1] in (tokenizer.eos_id, 302) for rollout in ended)
    assert all(len(rollout.tokens) == 8 for rollout in found if rollout.finish == "length")
    assert all(logprob < 0 for rollout in found for logprob in rollout.logprobs)
    assert len(found[0].logprobs) == len(found[0].tokens)


def test_responses_come_from_the_whole_distribution_at_temperature_one() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    draws = [(number + 0.5) / 100 for number in range(100)]
    plain = [int(choose(logits, [Sampling(max_tokens=1, temperature=1.0)], [draw])[0]) for draw in draws]
    assert [plain.count(token) for token in range(4)] == [50, 30, 15, 5]
    recorded, _, _ = logprobs_of(logits, torch.tensor([0]), 0)
    assert recorded.item() == pytest.approx(-0.693147, abs=1e-6)


def test_the_digest_of_a_policy_changes_with_any_weight(engine: Engine) -> None:
    before = policy_digest(engine)
    weight = next(iter(engine.chunks[0].parameters())).data
    kept = weight.view(-1)[7].clone()
    weight.view(-1)[7] += 1e-6
    assert policy_digest(engine) != before
    weight.view(-1)[7] = kept
    assert policy_digest(engine) == before


def test_prompts_are_chats_without_their_last_answer_and_what_is_none_is_counted(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    user, answer = {"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "Bread."}
    records = [
        {"id": "one", "messages": [user]},
        {"id": "one", "messages": [user, answer]},
        {"messages": [answer]},
        {"messages": [{"role": "user", "content": "What is the price of bread? " * 20}]},
        {"messages": []},
    ]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join([*map(json.dumps, records), "no json"]), "utf-8")
    found = read_prompts(settings(), [InputFile(path, "own")], tokenizer)
    assert [prompt.id for prompt in found.all] == ["own/one", "own/one~2"]
    assert found.all[0].context == found.all[1].context
    assert found.left_out == {"no prompt": 1, "too long": 1, "unreadable or not in the template": 2}
    assert found.end_id == tokenizer.vocab_size + 4
    path.write_text(json.dumps(records[2]), "utf-8")
    with pytest.raises(DataError, match="no prompt of at most 40 tokens"):
        read_prompts(settings(), [InputFile(path, "own")], tokenizer)
