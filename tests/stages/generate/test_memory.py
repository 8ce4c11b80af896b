"""Memory by arithmetic against what is taken."""

from __future__ import annotations

import pytest

from stages.generate.layout import EngineLayout
from stages.generate.memory import (
    LEAST_CACHE,
    cache_bytes,
    engine_memory,
    generation_slots,
    group_tokens,
    scoring_slots,
    slot_bytes,
    weight_bytes,
)
from stages.generate.passes import Passes
from stages.generate.scoring import score
from stages.model.config import ModelConfig, MoEConfig
from tests.stages.generate.tiny import KINDS, SHAPE, model_of


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_takes_what_was_counted(kind: str) -> None:
    model = model_of(kind)
    slots = scoring_slots(model.config, 16)
    passes = Passes(model, slots)
    score(passes, [([3, 4], [5])], 16)
    assert passes.cache.num_bytes() == slots * slot_bytes(model.config, 4)


def test_a_rank_has_its_heads_and_its_layers() -> None:
    config = ModelConfig(**SHAPE | {"num_layers": 5}, num_kv_heads=2)
    assert slot_bytes(config, 4, EngineLayout(tp=2)) * 2 == slot_bytes(config, 4)
    assert slot_bytes(config, 4, EngineLayout(pp=2)) * 5 == slot_bytes(config, 4) * 3


def test_generation_takes_what_its_requests_want_but_no_more_than_as_many_at_a_time_as_the_bound_holds() -> None:
    small = ModelConfig(**SHAPE)
    slot = slot_bytes(small, 4)
    assert generation_slots(small, 10**9, slot, [10, 20, 1000]) == 32 + 32 + 64, "in blocks, up to the model's 40"
    assert generation_slots(small, 50 * slot, slot, [10, 20, 12]) == 50
    assert generation_slots(small, 1, slot, [10, 20]) == 32, "the longest request has room"
    glm = ModelConfig(**SHAPE | KINDS["GLM"])
    assert generation_slots(glm, 10**9, slot, [31, 50]) == 64 + 64, "with its two tokens before each"
    assert group_tokens(small, 768) == 16 * 768
    assert group_tokens(LLAMA_7B, 768) == 8 * 2048


def test_a_cache_is_as_large_as_the_weights_or_as_asked() -> None:
    assert cache_bytes(LEAST_CACHE - 1) == LEAST_CACHE
    assert cache_bytes(10 * LEAST_CACHE) == 10 * LEAST_CACHE
    assert cache_bytes(10 * LEAST_CACHE, asked=7) == 7


LLAMA_7B = ModelConfig(num_layers=32, dim=4096, num_heads=32, seq_len=2048)


def test_a_7b_models_bound_is_its_weights_its_cache_and_little_more() -> None:
    bound = engine_memory(LLAMA_7B, 32_000, 2, 768, slots=scoring_slots(LLAMA_7B, 768))
    assert (bound.weights, bound.cache) == (2 * 6_738_415_616, (2048 + 768) * 2 * 32 * 4096 * 2)
    assert bound.weights + bound.cache < bound.total < 1.03 * (bound.weights + bound.cache)


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_of_one_rank_are_all_of_them(kind: str) -> None:
    model = model_of(kind)
    held = sum(weight.nbytes for weight in model.model.parameters())
    assert weight_bytes(model.config, model.vocab_size, 4) == held


def test_ranks_share_the_weights_and_the_fullest_one_counts() -> None:
    whole = weight_bytes(LLAMA_7B, 32_000, 2)
    for layout in (EngineLayout(tp=4), EngineLayout(tp=2, pp=2), EngineLayout(pp=4)):
        assert 0.25 * whole <= weight_bytes(LLAMA_7B, 32_000, 2, layout) < 0.26 * whole
    experts = ModelConfig(num_layers=4, dim=512, num_heads=8, ffn_dim=1536, moe=MoEConfig(num_experts=8))
    feed_forward = 4 * 8 * 3 * 512 * 1536 * 4
    lone, shared = (weight_bytes(experts, 1000, 4, EngineLayout(ep=ep)) for ep in (1, 4))
    assert lone - shared == feed_forward * 3 / 4
