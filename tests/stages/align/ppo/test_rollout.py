"""Sampling on the training's own ranks, with its own weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stages.align.ppo.rollout import Colocated
from stages.align.prompts import Prompt
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.checkpoint.load import join_group
from stages.train.engine import Engine, build_engine
from stages.train.objectives.base import Role
from tests.stages.align.ppo.world import settings


@pytest.fixture(scope="module")
def tokenizer(prompts: Path) -> Tokenizer:
    return Tokenizer(prompts / KINDS.tokenizer.file)


@pytest.fixture(scope="module")
def engine(tokenizer: Tokenizer) -> Iterator[Engine]:
    join_group()
    config = settings()
    yield build_engine(config, Role(config=config.model), tokenizer.vocab_size)
    parallel.stop()


def test_responses_follow_the_trained_weights_at_once(engine: Engine, tokenizer: Tokenizer, tmp_path: Path) -> None:
    sampler, prompts = Colocated(settings(), tokenizer, 302), [Prompt("a/1", (1, 9, 10))]
    digests, found = [], []
    weights = [*engine.chunks[0].parameters()]
    kept = [weight.data.clone() for weight in weights]
    for factor in (1.0, 3.0, 1 / 3.0):
        for weight, start in zip(weights, kept, strict=True):
            weight.data.copy_(start if factor < 1 else start * factor)
        digests.append(sampler.digest(engine))
        found.append(sampler.sample(engine, digests[-1], 3, prompts, tmp_path))
    assert digests[0] == digests[2] != digests[1]
    assert found[0] == found[2]
    assert found[0][0].logprobs != found[1][0].logprobs
    assert torch.equal(weights[0].data, kept[0])
