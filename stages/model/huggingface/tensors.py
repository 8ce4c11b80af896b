"""The tensors of a Hugging Face folder: their names and shapes, by ours. Light: `plan` compares them with a folder's.

Ours are a checkpoint's global names. Of stacked ones (layers, experts) it is one slice at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.model.config import ModelConfig

EMBEDDING = "embedding.word_embeddings.weight"
HEAD = "output_layer.weight"
_FINAL_NORM = "decoder.final_layernorm.weight"
_LAYERS = "decoder.layers."
_SINGLE = {
    EMBEDDING: "model.embed_tokens.weight",
    _FINAL_NORM: "model.norm.weight",
}
_HEADS = {"lm": "lm_head.weight", "scalar": "score.weight"}
_ATTENTION = {
    "self_attention.linear_qkv.layer_norm_weight": ("input_layernorm.weight",),
    "self_attention.linear_qkv.weight": tuple(f"self_attn.{kind}_proj.weight" for kind in "qkv"),
    "self_attention.linear_proj.weight": ("self_attn.o_proj.weight",),
}
_DENSE = {
    "mlp.linear_fc1.layer_norm_weight": ("post_attention_layernorm.weight",),
    "mlp.linear_fc1.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
    "mlp.linear_fc2.weight": ("mlp.down_proj.weight",),
}
_ROUTED = {
    "pre_mlp_layernorm.weight": ("post_attention_layernorm.weight",),
    "mlp.router.weight": ("block_sparse_moe.gate.weight",),
}
_EXPERT = {
    "mlp.experts.experts.linear_fc1.weight": ("w1.weight", "w3.weight"),
    "mlp.experts.experts.linear_fc2.weight": ("w2.weight",),
}


@dataclass(frozen=True)
class Slice:
    """One tensor of ours, or one layer's (and expert's) slice of a stacked one, and the tensors that make it up."""

    key: str
    """Global name in the checkpoint, without the "model." before it."""
    index: tuple[int, ...]
    """() or (layer,) or (layer, expert)."""
    names: tuple[str, ...]
    """Theirs, in the order of `split` and `join`."""


def slices(config: ModelConfig) -> Iterator[Slice]:
    """Yield every slice of a decoder, from the embedding to the head."""
    yield Slice(EMBEDDING, (), (_SINGLE[EMBEDDING],))
    for layer in range(config.num_layers):
        for name, parts in (_ATTENTION | (_ROUTED if config.moe else _DENSE)).items():
            yield _slice_of(_LAYERS + name, (layer,), parts)
        for expert in range(config.moe.num_experts if config.moe else 0):
            for name, parts in _EXPERT.items():
                yield _slice_of(_LAYERS + name, (layer, expert), parts)
    yield Slice(_FINAL_NORM, (), (_SINGLE[_FINAL_NORM],))
    if config.head in _HEADS and not config.tied_embeddings:
        yield Slice(HEAD, (), (_HEADS[config.head],))


def _slice_of(key: str, index: tuple[int, ...], parts: tuple[str, ...]) -> Slice:
    """Return a layer's or an expert's slice, given the ends of their names."""
    place = f"model.layers.{index[0]}."
    if len(index) > 1:
        place += f"block_sparse_moe.experts.{index[1]}."
    return Slice(key, index, tuple(place + part for part in parts))


def shapes(config: ModelConfig, part: Slice, vocab_size: int) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of a slice's tensors in the folder, in the order of its names."""
    dim, kv = config.dim, config.kv_heads * config.head_dim
    if "norm" in part.names[0]:
        return ((dim,),)
    if part.key in (EMBEDDING, HEAD):
        return ((1 if part.key == HEAD and config.head == "scalar" else vocab_size, dim),)
    if part.key.endswith("linear_qkv.weight"):
        return ((dim, dim), (kv, dim), (kv, dim))
    if part.key.endswith("linear_fc1.weight"):
        return ((config.ffn, dim), (config.ffn, dim))
    if part.key.endswith("linear_fc2.weight"):
        return ((dim, config.ffn),)
    if part.key.endswith("router.weight") and config.moe:
        return ((config.moe.num_experts, dim),)
    return ((dim, dim),)
