"""The tensors of a vision encoder in a Hugging Face folder: names and shapes by ours, and their content both ways.

Ours are global names; of stacked ones it is one layer at a time. `linear_qkv` holds query, key and value rows head by
head.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from stages.model.huggingface.tensors import Slice
from stages.model.vision.config import VisionConfig

POSITIONS = "positions"
_LAYERS = "blocks.layers."
_OF_LAYER = {
    "input_layernorm": ("layer_norm1",),
    "self_attention.linear_qkv": tuple(f"self_attn.{kind}_proj" for kind in "qkv"),
    "self_attention.linear_proj": ("self_attn.out_proj",),
    "pre_mlp_layernorm": ("layer_norm2",),
    "mlp.linear_fc1": ("mlp.fc1",),
    "mlp.linear_fc2": ("mlp.fc2",),
}


def slices(config: VisionConfig) -> Iterator[Slice]:
    """Yield every slice of an encoder that is built."""
    is_clip = config.family == "clip"
    if is_clip:
        yield Slice("class_token", (), ("embeddings.class_embedding",))
    for kind in ("weight",) if is_clip else ("weight", "bias"):
        yield Slice(f"patches.{kind}", (), (f"embeddings.patch_embedding.{kind}",))
    yield Slice(POSITIONS, (), ("embeddings.position_embedding.weight",))
    if is_clip:
        yield from _both("norm_before", (), ("pre_layrnorm",))
    for layer in range(config.built_layers):
        for ours, theirs in _OF_LAYER.items():
            yield from _both(_LAYERS + ours, (layer,), tuple(f"encoder.layers.{layer}.{name}" for name in theirs))
    if config.final_norm:
        yield from _both("norm_after", (), ("post_layernorm",))


def _both(ours: str, index: tuple[int, ...], theirs: tuple[str, ...]) -> Iterator[Slice]:
    for kind in ("weight", "bias"):
        yield Slice(f"{ours}.{kind}", index, tuple(f"{name}.{kind}" for name in theirs))


def shape(config: VisionConfig, part: Slice) -> tuple[int, ...]:
    """Return the shape of each tensor of a slice in the folder."""
    dim, is_weight = config.dim, part.key.endswith("weight")
    if part.key == POSITIONS:
        return (config.num_positions, dim)
    if part.key == "patches.weight":
        return (dim, 3, config.patch_size, config.patch_size)
    if "linear_fc1" in part.key:
        return (config.ffn, dim) if is_weight else (config.ffn,)
    if "linear_fc2" in part.key and is_weight:
        return (dim, config.ffn)
    return (dim, dim) if "linear" in part.key and is_weight else (dim,)


def join(config: VisionConfig, key: str, parts: list[Tensor]) -> Tensor:
    """Return our tensor, given theirs."""
    if "linear_qkv" in key:
        return torch.stack([part.unflatten(0, (config.num_heads, -1)) for part in parts], dim=1).flatten(0, 2)
    return parts[0].view(1, 1, -1) if key == "class_token" else parts[0]


def split(config: VisionConfig, key: str, tensor: Tensor) -> list[Tensor]:
    """Return their tensors, given ours: the inverse of `join`."""
    if "linear_qkv" in key:
        of_heads = tensor.unflatten(0, (config.num_heads, 3, -1))
        return [of_heads[:, kind].flatten(0, 1) for kind in range(3)]
    return [tensor.flatten() if key == "class_token" else tensor]
