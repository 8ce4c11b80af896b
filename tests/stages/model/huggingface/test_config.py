"""config.json both ways, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.model.config import ModelConfig
from stages.model.huggingface.config import differences, from_config_json, to_config_json
from stages.shared.errors import DataError
from tests.stages.model.folders import SHAPE, SHAPES

PATH = Path("folder/config.json")
# As meta-llama/Llama-2-7b-hf and mistralai/Mixtral-8x7B-v0.1 have it, shortened.
LLAMA = {
    **{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32},
    **{"num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096, "vocab_size": 32000},
    **{"rms_norm_eps": 1e-05, "rope_scaling": None, "tie_word_embeddings": False, "hidden_act": "silu"},
}
MIXTRAL = {
    **{"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32},
    **{"num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2},
    **{"rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "vocab_size": 32000, "sliding_window": None},
}


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_what_is_written_is_what_is_read(changes: dict[str, Any]) -> None:
    model = ModelConfig(**SHAPE | changes)
    found, vocab_size = from_config_json(to_config_json(model, 290, "float32", bos_id=1, eos_id=2), PATH)
    assert not differences(model, found)
    assert (found.seq_len, found.init_std, vocab_size) == (24, 0.1, 290)


@pytest.mark.parametrize(("settings", "count"), [(LLAMA, 6_738_415_616), (MIXTRAL, 46_702_792_704)])
def test_published_folders_have_the_published_counts(settings: dict[str, Any], count: int) -> None:
    model, vocab_size = from_config_json(settings, PATH)
    assert model.num_parameters(vocab_size) == count
    assert model.rope_theta == settings.get("rope_theta", 10_000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2'. Use llama or mixtral"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5}}, "rope_type 'llama3'"),
        ({"attention_bias": True}, "attention_bias True. This decoder has False"),
        ({"head_dim": 64}, "head_dim 64"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"hidden_size": "wide"}, "lacks or misstates"),
        ({"vocab_size": None}, "lacks or misstates"),
    ],
)
def test_what_this_decoder_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_config_json(LLAMA | changes, PATH)


def test_an_only_expert_has_no_architecture_there() -> None:
    with pytest.raises(DataError, match="num_experts_per_tok 1"):
        from_config_json(MIXTRAL | {"num_experts_per_tok": 1}, PATH)
    with pytest.raises(ValueError, match=r"model\.moe\.top_k 1: Mixtral"):
        to_config_json(ModelConfig(moe={"top_k": 1}), 290, "float32", bos_id=1, eos_id=2)


def test_a_training_may_choose_its_own_context_and_losses() -> None:
    one = ModelConfig(moe={"num_experts": 4})
    assert not differences(one, ModelConfig(seq_len=64, init_std=0.1, moe={"num_experts": 4, "z_loss": 0.1}))
    assert differences(one, ModelConfig(moe={"num_experts": 2}))["moe"] == {"num_experts": 2, "top_k": 2}
    assert differences(one, ModelConfig()) == {"moe": None}
    assert not differences(ModelConfig(), ModelConfig(num_kv_heads=6, ffn_dim=512))
