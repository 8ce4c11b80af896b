"""Memory by arithmetic against what is taken."""

from __future__ import annotations

import pytest

from stages.generate.memory import CACHE_BYTES, engine_bytes, generation_slots, group_tokens, scoring_slots, slot_bytes
from stages.generate.passes import Passes
from stages.generate.scoring import score
from stages.model.config import ModelConfig
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
    assert slot_bytes(config, 4, tp=2) * 2 == slot_bytes(config, 4)
    assert slot_bytes(config, 4, pp=2) * 5 == slot_bytes(config, 4) * 3


def test_generation_takes_what_is_wanted_but_not_more_than_the_bound() -> None:
    large = ModelConfig(num_layers=32, dim=4096, num_heads=32, seq_len=2048)
    assert generation_slots(large, 2, 10) == 4096
    assert generation_slots(large, 2, 10**9) == max(4096, CACHE_BYTES // slot_bytes(large, 2))
    small = ModelConfig(**SHAPE)
    assert generation_slots(small, 4, 1000) == 1000
    assert group_tokens(small, 768) == 16 * 768
    assert group_tokens(large, 768) == 8 * 2048


def test_a_7b_models_bound_is_its_weights_its_cache_and_little_more() -> None:
    llama = ModelConfig(num_layers=32, dim=4096, num_heads=32, seq_len=2048)
    bound = engine_bytes(llama, 32_000, 768, 2, scoring_slots(llama, 768))
    weights, cache = 2 * 6_738_415_616, (2048 + 768) * 2 * 32 * 4096 * 2
    assert weights + cache < bound < 1.03 * (weights + cache)
