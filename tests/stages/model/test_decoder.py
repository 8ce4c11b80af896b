"""The decoder against transformers' LLaMA, on the same weights."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
import torch
from megatron.core.models.gpt import GPTModel
from megatron.core.transformer.dot_product_attention import DotProductAttention
from megatron.core.transformer.enums import AttnMaskType
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from stages.model import parallel
from stages.model.config import ModelConfig
from stages.model.decoder import build_model, initialise, take_documents
from stages.model.layers.attention import CausalAttention, documents_apart
from stages.model.layers.glm import hidden_keys
from stages.shared.task import Ranks
from tests.stages.model.saved import SMALL, VOCAB_SIZE

SHAPES = {
    "as many key heads as heads": {"num_kv_heads": None},
    "grouped": {"num_kv_heads": 2},
    "multi-query": {"num_kv_heads": 1, "rope_theta": 500_000, "norm_eps": 1e-6},
    "llama's own width": {"ffn_dim": None},
}


def build(config: ModelConfig, seed: int = 1) -> GPTModel:
    parallel.start(Ranks())
    model = build_model(config, VOCAB_SIZE).eval()
    initialise(model, config, seed)
    return model


def logits_of(model: GPTModel, tokens: Tensor) -> Tensor:
    return model(tokens, torch.arange(tokens.size(1)).expand_as(tokens), None)[..., :VOCAB_SIZE]


def as_transformers(model: GPTModel, config: ModelConfig) -> LlamaForCausalLM:
    """Return transformers' model with the same weights. Megatron keeps query, key and value rows together by group."""
    heads, groups, width = config.num_heads, config.kv_heads, config.head_dim
    ours = {name: weight.detach() for name, weight in model.named_parameters()}
    theirs = {
        "model.embed_tokens.weight": ours["embedding.word_embeddings.weight"][:VOCAB_SIZE],
        "model.norm.weight": ours["decoder.final_layernorm.weight"],
        "lm_head.weight": ours["output_layer.weight"][:VOCAB_SIZE],
    }
    for layer in range(config.num_layers):
        here, there = f"decoder.layers.{layer}.", f"model.layers.{layer}."
        qkv = ours[here + "self_attention.linear_qkv.weight"].view(groups, heads // groups + 2, width, config.dim)
        theirs[there + "self_attn.q_proj.weight"] = qkv[:, :-2].reshape(heads * width, config.dim)
        theirs[there + "self_attn.k_proj.weight"] = qkv[:, -2].reshape(groups * width, config.dim)
        theirs[there + "self_attn.v_proj.weight"] = qkv[:, -1].reshape(groups * width, config.dim)
        theirs[there + "self_attn.o_proj.weight"] = ours[here + "self_attention.linear_proj.weight"]
        gate, up = ours[here + "mlp.linear_fc1.weight"].chunk(2)
        theirs[there + "mlp.gate_proj.weight"], theirs[there + "mlp.up_proj.weight"] = gate, up
        theirs[there + "mlp.down_proj.weight"] = ours[here + "mlp.linear_fc2.weight"]
        theirs[there + "input_layernorm.weight"] = ours[here + "input_layernorm.weight"]
        theirs[there + "post_attention_layernorm.weight"] = ours[here + "pre_mlp_layernorm.weight"]
    shape = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=config.dim,
        intermediate_size=config.ffn,
        num_hidden_layers=config.num_layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        max_position_embeddings=config.seq_len,
        rms_norm_eps=config.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": float(config.rope_theta)},
        tie_word_embeddings=False,
    )
    reference = LlamaForCausalLM(shape).eval()
    reference.load_state_dict(theirs, strict=True)
    return reference


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_logits_equal_transformers_llama_on_the_same_weights(changes: dict[str, int]) -> None:
    config = SMALL.model_copy(update=changes)
    model = build(config)
    with torch.no_grad():  # gains of 1 would hide a norm in the wrong place
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.copy_(torch.linspace(0.5, 1.5, weight.numel()))
    tokens = torch.randint(VOCAB_SIZE, (3, config.seq_len), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        ours, theirs = logits_of(model, tokens), as_transformers(model, config)(tokens).logits
    assert theirs.std() > 0.5
    assert (ours - theirs).abs().max() < 1e-4


def test_gradients_equal_transformers_llama() -> None:
    model = build(SMALL)
    reference = as_transformers(model, SMALL)
    tokens = torch.randint(VOCAB_SIZE, (2, SMALL.seq_len), generator=torch.Generator().manual_seed(3))
    weight = model.decoder.layers[0].self_attention.linear_proj.weight
    logits_of(model, tokens).square().sum().backward()
    reference(tokens).logits.square().sum().backward()
    expected = reference.model.layers[0].self_attn.o_proj.weight.grad
    assert (weight.grad - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("changes", [{"num_kv_heads": 2}, {"position": "alibi"}, {"moe": {"num_experts": 4}}])
def test_documents_apart_are_each_document_alone(changes: dict[str, Any]) -> None:
    config = ModelConfig(**SMALL.model_dump(exclude={"extra_tokens"}) | changes)
    model = build(config)
    tokens = torch.randint(VOCAB_SIZE, (2, 24), generator=torch.Generator().manual_seed(5))
    places, lengths = torch.arange(24).expand(2, 24), [[9, 1, 14], [1, 1, 2, 20]]
    apart = documents_apart(torch.tensor([*chain(*lengths)]), 24, torch.device("cpu"))
    ours = model(tokens, places, None, documents=apart)
    alone = [
        torch.cat([logits_of(model, part) for part in tokens[[b]].split(row, 1)], 1) for b, row in enumerate(lengths)
    ]
    assert (ours[..., :VOCAB_SIZE] - torch.cat(alone)).abs().max() < 1e-5
    assert (ours - model(tokens, places, None)).abs().max() > 0.1
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    together = torch.autograd.grad(ours[..., :VOCAB_SIZE].square().sum(), weights)
    for one, other in zip(together, torch.autograd.grad(torch.cat(alone).square().sum(), weights), strict=True):
        assert (one - other).abs().max() < 1e-5 * other.abs().max()


def test_another_attention_makes_room_for_one_that_takes_documents() -> None:
    model, theirs = build(SMALL), build(SMALL)
    for layer, other in zip(model.decoder.layers, theirs.decoder.layers, strict=True):
        layer.self_attention.core_attention = CausalAttention(model.config)
        # As Transformer Engine's would be there, which Megatron hands what is turned already.
        other.self_attention.core_attention = DotProductAttention(theirs.config, 1, AttnMaskType.causal, "self")
    tokens = torch.randint(VOCAB_SIZE, (2, 24), generator=torch.Generator().manual_seed(5))
    places, apart = torch.arange(24).expand(2, 24), documents_apart(torch.tensor([9, 15, 24]), 24, torch.device("cpu"))
    take_documents(theirs)
    ours, other = (each(tokens, places, None, documents=apart) for each in (model, theirs))
    assert torch.equal(ours, other)


OTHERS = {
    "alibi": {"position": "alibi"},
    "one table for both ends": {"tied_embeddings": True},
    "glm": {"position": "glm", "norm": "layernorm", "activation": "gelu", "bias": True, "tied_embeddings": True},
    "experts": {"moe": {"num_experts": 4, "top_k": 2}},
}


@pytest.mark.parametrize("changes", (SHAPES | OTHERS).values(), ids=SHAPES | OTHERS)
def test_the_model_has_the_parameters_its_formula_says(changes: dict[str, Any]) -> None:
    config = ModelConfig(**SMALL.model_dump(exclude={"extra_tokens"}) | changes)
    assert sum(weight.numel() for weight in build(config).parameters()) == config.num_parameters(384)


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ({"num_layers": 32, "dim": 4096, "num_heads": 32}, 6_738_415_616),
        ({"num_layers": 40, "dim": 5120, "num_heads": 40}, 13_015_864_320),
        ({"num_layers": 60, "dim": 6656, "num_heads": 52}, 32_528_943_616),
        ({"num_layers": 80, "dim": 8192, "num_heads": 64}, 65_285_660_672),
    ],
)
def test_llamas_shapes_have_the_published_counts_when_built(shape: dict[str, int], count: int) -> None:
    parallel.start(Ranks())
    with torch.device("meta"):
        model = build_model(ModelConfig(**shape), 32_000)
    assert {weight.device.type for weight in model.parameters()} == {"meta"}
    assert sum(weight.numel() for weight in model.parameters()) == count


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_a_later_token_never_changes_an_earlier_row(position: str) -> None:
    model = build(SMALL.model_copy(update={"position": position}))
    tokens = torch.randint(VOCAB_SIZE, (1, 24), generator=torch.Generator().manual_seed(4))
    changed = tokens.clone()
    changed[0, 12:] = 7
    with torch.no_grad():
        assert torch.equal(logits_of(model, tokens)[:, :12], logits_of(model, changed)[:, :12])


def test_with_alibi_the_order_of_earlier_tokens_counts() -> None:
    model = build(SMALL.model_copy(update={"position": "alibi"}))
    tokens = torch.randint(VOCAB_SIZE, (1, 24), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        straight, swapped = (logits_of(model, tokens[:, order]) for order in ([0, 1, 2, 3], [1, 0, 2, 3]))
    assert (straight[0, -1] - swapped[0, -1]).abs().max() > 1e-2


def test_glms_part_a_looks_ahead_and_part_b_does_not() -> None:
    model = build(ModelConfig(**SMALL.model_dump(exclude={"extra_tokens"}) | OTHERS["glm"]))
    tokens = torch.randint(VOCAB_SIZE, (1, 12), generator=torch.Generator().manual_seed(4))
    changed = tokens.clone()
    changed[0, [4, 11]] = torch.tensor([7, 8])
    positions = torch.stack([torch.arange(12), torch.zeros(12, dtype=torch.int64)])[None]
    with torch.no_grad():
        one, other = (model(ids, positions, hidden_keys(torch.tensor([5]), 12)) for ids in (tokens, changed))
    differs = (one - other).abs().amax(-1)[0] > 1e-6
    assert differs.all()
    changed[0, 4] = tokens[0, 4]
    with torch.no_grad():
        other = model(changed, positions, hidden_keys(torch.tensor([5]), 12))
    assert ((one - other).abs().amax(-1)[0] > 1e-6).tolist() == [False] * 11 + [True]


def test_experts_differ_and_biases_start_at_zero() -> None:
    shape = SMALL.model_dump(exclude={"extra_tokens"})
    experts = dict(build(ModelConfig(**shape | OTHERS["experts"])).named_parameters())
    first, second = (f"decoder.layers.0.mlp.experts.local_experts.{n}.linear_fc1.weight" for n in (0, 1))
    assert not torch.equal(experts[first], experts[second])
    glm = dict(build(ModelConfig(**shape | OTHERS["glm"])).named_parameters())
    assert all(not weight.any() for name, weight in glm.items() if name.endswith("bias"))
    assert all((weight == 1).all() for name, weight in glm.items() if name.endswith("norm.weight"))


def test_weights_follow_from_the_seed_and_the_name() -> None:
    one, same, other = (dict(build(SMALL, seed).named_parameters()) for seed in (1, 1, 2))
    for name, weight in one.items():
        assert torch.equal(weight, same[name])
        assert "norm" in name or not torch.equal(weight, other[name])
    first, second = (f"decoder.layers.{n}.self_attention.linear_qkv.weight" for n in (0, 1))
    assert not torch.equal(one[first], one[second])
    residual = one["decoder.layers.0.mlp.linear_fc2.weight"]
    assert residual.std().item() == pytest.approx(0.1 / 6**0.5, rel=0.05)
    assert one[first].std().item() == pytest.approx(0.1, rel=0.05)
