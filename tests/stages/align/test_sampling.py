"""A policy's responses: which draws decide, and which batches are sampled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.align.ppo.rollout import sampling_of
from stages.align.prompts import Prompt
from stages.align.sampling import Batch, Sampler, planned, share
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rollouts import Rollout
from stages.formats.tokenizer import Tokenizer
from stages.generate.sampling import Sampling, choose, logprobs_of
from stages.model import parallel
from stages.model.checkpoint.load import load_model
from stages.shared.errors import Checkpointed
from tests.stages.align.ppo.world import settings
from tests.stages.train.ranks import Run


@pytest.fixture(scope="module")
def sampler(prompts: Path, undisturbed: Run) -> Iterator[Sampler]:
    yield Sampler(
        model=load_model(undisturbed.out / "untrained"),
        policy="p",
        tokenizer=Tokenizer(prompts / KINDS.tokenizer.file),
        sampling=sampling_of(settings()),
        end_id=302,
        round=3,
    )
    parallel.stop()


def prompts_of(count: int) -> list[Prompt]:
    return [Prompt(f"a/{number}", (1, 9, 10 + number)) for number in range(count)]


def sampled(sampler: Sampler, folder: Path, given: list[Prompt], samples: int = 1, size: int = 1) -> list[Rollout]:
    return sampler.sample(planned(given, samples, size), folder)


def test_a_sample_is_the_same_alone_and_among_others_and_all_differ(sampler: Sampler, tmp_path: Path) -> None:
    many = prompts_of(5)
    among = sampled(sampler, tmp_path / "among", many, samples=4, size=20)
    alone = sampled(sampler, tmp_path / "alone", many[2:3], samples=4)
    assert [rollout.tokens for rollout in alone] == [rollout.tokens for rollout in among[8:12]]
    assert len({rollout.tokens for rollout in among}) == 20
    assert [rollout.sample for rollout in alone] == [0, 1, 2, 3]


def test_a_prompt_that_comes_twice_in_a_round_has_other_samples(sampler: Sampler, tmp_path: Path) -> None:
    twice = sampled(sampler, tmp_path, prompts_of(1) * 2)
    assert twice[0].tokens != twice[1].tokens
    assert [rollout.sample for rollout in twice] == [0, 1]


def test_batches_of_the_policy_are_read_and_others_are_sampled_again(sampler: Sampler, tmp_path: Path) -> None:
    made = sampled(sampler, tmp_path, prompts_of(4), size=2)
    kept, stale, torn = (tmp_path / name for name in ("batch-00000.jsonl", "batch-00001.jsonl", "batch-00001.npz"))
    before = kept.stat().st_mtime_ns
    whole = torn.read_bytes(), stale.read_bytes()
    for spoil in (lambda: torn.write_bytes(b"x"), lambda: stale.write_text(stale.read_text().replace('"p"', '"q"'))):
        spoil()
        assert sampled(sampler, tmp_path, prompts_of(4), size=2) == made
        assert (torn.read_bytes(), stale.read_bytes()) == whole
    assert kept.stat().st_mtime_ns == before


def test_a_sampler_that_is_asked_to_stop_keeps_its_batches_and_goes_on_behind_them(
    sampler: Sampler, tmp_path: Path
) -> None:
    batches = planned(prompts_of(3), 1, 1)
    asked: list[bool] = []

    def after_two() -> bool:
        asked.append(True)
        return len(asked) > 2

    with pytest.raises(Checkpointed):
        replace(sampler, should_stop=after_two).sample(batches, tmp_path / "cut")
    assert len([*(tmp_path / "cut").glob("*.jsonl")]) == 2
    assert sampler.sample(batches, tmp_path / "cut") == sampler.sample(batches, tmp_path / "whole")


def test_the_ids_of_a_response_end_with_its_end_token_and_each_has_a_log_probability(
    sampler: Sampler, tmp_path: Path
) -> None:
    found = sampled(sampler, tmp_path, prompts_of(64), size=64)
    ended = [rollout for rollout in found if rollout.finish == "eos"]
    assert ended
    assert all(rollout.tokens[-1] in (sampler.tokenizer.eos_id, 302) for rollout in ended)
    assert all(len(rollout.tokens) == 8 for rollout in found if rollout.finish == "length")
    assert all(logprob < 0 for rollout in found for logprob in rollout.logprobs)
    assert len(found[0].logprobs) == len(found[0].tokens)


@pytest.mark.parametrize("parts", [1, 3, 7, 9])
def test_parts_share_out_all_batches_in_order(parts: int) -> None:
    batches = planned(prompts_of(15), 1, 2)
    shares: list[Batch] = [batch for part in range(parts) for batch in share(batches, part, parts)]
    assert shares == batches
    assert [len(batch.wanted) for batch in batches] == [2] * 7 + [1]


def test_responses_come_from_the_whole_distribution_at_temperature_one() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    draws = [(number + 0.5) / 100 for number in range(100)]
    plain = [int(choose(logits, [Sampling(max_tokens=1, temperature=1.0)], [draw])[0]) for draw in draws]
    assert [plain.count(token) for token in range(4)] == [50, 30, 15, 5]
    recorded, _, _ = logprobs_of(logits, torch.tensor([0]), 0)
    assert recorded.item() == pytest.approx(-0.693147, abs=1e-6)
