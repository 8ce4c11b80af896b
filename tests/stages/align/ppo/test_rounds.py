"""A round in a process: its phases' order, its samples, and what stops it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.align.ppo.objective import POLICY, REFERENCE, REWARD, VALUE, LearnFromScores
from stages.align.ppo.rollout import Colocated, prompts_of
from stages.align.ppo.rounds import Rounds
from stages.align.ppo.rule import Rule
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.checkpoint.load import join_group
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.train.loop import set_arithmetic
from stages.train.models import Models
from stages.train.objectives.base import Role
from tests.stages.align.ppo.world import settings

CONFIG = settings(rollout_batch=8)


@pytest.fixture(scope="module")
def tokenizer(prompts: Path) -> Tokenizer:
    return Tokenizer(prompts / KINDS.tokenizer.file)


@pytest.fixture(scope="module")
def models(tokenizer: Tokenizer) -> Iterator[Models]:
    join_group()
    set_arithmetic(CONFIG)
    scorer = CONFIG.model.model_copy(update={"head": "scalar"})
    still: dict[str, Any] = {"frozen": ("*",), "each_step": False}
    roles = {
        POLICY: Role(config=CONFIG.model),
        VALUE: Role(config=scorer),
        REFERENCE: Role(config=CONFIG.model, **still),
        REWARD: Role(config=scorer, **still),
    }
    yield Models(CONFIG, LearnFromScores(CONFIG, roles, tokenizer.vocab_size), tokenizer.vocab_size)
    torch.use_deterministic_algorithms(False)
    parallel.stop()


def made(prompts: Path, tokenizer: Tokenizer, work: Path, **changes: Any) -> Rounds:
    config = settings(**{"rollout_batch": 8, **changes})
    found = prompts_of(config, [InputFile(prompts / "prompts.jsonl", "own")], tokenizer)
    rule = Rule(per_token=-1.0).score if config.rule else None
    return Rounds(config, found, Colocated(config, tokenizer, found.end_id), work, rule)


def test_a_value_network_from_the_reward_model_values_the_whole_text_as_it_scores_it(
    prompts: Path, tokenizer: Tokenizer, models: Models, tmp_path: Path
) -> None:
    made(prompts, tokenizer, tmp_path, rule=None, reward="x").take(0, {}, models)
    with np.load(tmp_path / "rounds" / "round-00000" / "episodes.npz") as found:
        rows = np.arange(len(found["scores"]))
        assert found["values"][rows, found["last"]].tolist() == found["scores"].tolist()
        assert len({*found["scores"].tolist()}) == 8
        assert np.abs(found["sampled"] - found["old"]).max() < 1e-5
        assert (found["old"] == found["reference"]).all()


def test_a_round_is_taken_from_its_files_with_the_same_samples(
    prompts: Path, tokenizer: Tokenizer, models: Models, tmp_path: Path
) -> None:
    rounds = made(prompts, tokenizer, tmp_path, epochs=2, steps=4)
    first = [rounds.take(step, {}, models)[0] for step in range(4)]
    again = made(prompts, tokenizer, tmp_path, epochs=2, steps=4)
    for step in (3, 0):
        for one, other in zip(again.take(step, {}, models)[0], first[step], strict=True):
            assert all(torch.equal(one[name], other[name]) for name in other)
    texts = [[tuple(sample["tokens"].tolist()) for sample in step] for step in first]
    assert sorted(texts[0] + texts[1]) == sorted(texts[2] + texts[3])
    assert texts[:2] != texts[2:]


def test_a_sampler_with_other_weights_is_found_out(
    prompts: Path, tokenizer: Tokenizer, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = Colocated._sharing

    def stale(sampler: Colocated, engine: Any) -> Any:
        model = share(sampler, engine)
        for weight in model.model.parameters():
            weight.data = weight.data * 1.001
        return model

    monkeypatch.setattr(Colocated, "_sharing", stale)
    with pytest.raises(DataError, match="sampled with other weights"):
        made(prompts, tokenizer, tmp_path).take(0, {}, models)


def test_the_coefficient_is_state_and_follows_the_rounds(
    prompts: Path, tokenizer: Tokenizer, models: Models, tmp_path: Path
) -> None:
    kl = {"beta": 0.2, "target": 6.0, "horizon": 1000}
    rounds = made(prompts, tokenizer, tmp_path, kl=kl)
    beta, state = 0.2, {}
    for step in (0, 1, 2, 3, 4):
        _, state = rounds.take(step, state, models)
        if step % 2 == 0:
            beta *= 1 - 0.2 * 8 / 1000  # the KL is 0
        assert state == {"beta": pytest.approx(beta)}
    assert made(prompts, tokenizer, tmp_path / "fixed").take(0, {"beta": 0.3}, models)[1] == {"beta": 0.3}


def test_text_of_the_pretraining_counts_gamma_times_its_mean(
    prompts: Path, tokenizer: Tokenizer, models: Models, tmp_path: Path
) -> None:
    rounds = made(prompts, tokenizer, tmp_path, ptx={"gamma": 27.8, "batch": 4}, tokens="x")
    mask = torch.zeros(48)
    mask[:5] = 1.0
    row = {name: torch.zeros(48, dtype=torch.int64) for name in ("tokens", "labels", "position_ids")}
    rounds.text = [{**row, "loss_mask": mask}] * 64
    samples, _ = rounds.take(0, {}, models)
    episodes, texts = samples[:4], samples[4:]
    responses = sum(float(sample["loss_mask"].sum()) for sample in episodes)
    assert len(texts) == 4
    assert not any(sample["loss_mask"].any() for sample in texts)
    assert not any(sample["ptx"].any() for sample in episodes)
    assert texts[0]["ptx"][:5].tolist() == pytest.approx([27.8 * responses / 20] * 5)
    # With 3 response tokens and 5 of the text, summed losses .6 and 10: .2 + 27.8 x 2 = (.6 + 16.68 x 10) / 3.
    assert pytest.approx(55.8) == (0.6 + 27.8 * 3 / 5 * 10) / 3
    assert models.objective.part(VALUE, samples) == episodes


def test_large_files_of_rounds_that_no_checkpoint_needs_are_removed(
    prompts: Path, tokenizer: Tokenizer, models: Models, tmp_path: Path
) -> None:
    rounds = made(prompts, tokenizer, tmp_path, checkpoint_keep=1, prompts_per_round=4, rollout_batch=4, steps=8)
    for step in range(8):
        rounds.take(step, {}, models)
    kept = sorted(path.parent.name for path in tmp_path.glob("rounds/*/episodes.npz"))
    assert kept == [f"round-{number:05d}" for number in range(3, 8)]
    assert [row["round"] for row in rounds.rows()] == [*range(8)]
