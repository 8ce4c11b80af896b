"""Weights of one of our checkpoints for a model to start from, in any layout: one tensor in memory at a time."""

from __future__ import annotations

from pathlib import Path

import torch
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.models.gpt import GPTModel
from torch import Tensor

from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.reading import WEIGHTS, read_slice, verify
from stages.model.checkpoint.settings import CheckpointSettings, read_settings, require_fitting
from stages.model.config import ModelConfig
from stages.model.decoder import drawn, fill
from stages.model.huggingface.tensors import EMBEDDING, HEAD
from stages.model.huggingface.weights import with_rows
from stages.model.layers.adapters import is_adapter
from stages.model.senses import is_of_sense
from stages.shared.errors import DataError

LAYERS = "decoder.layers."
"""Begin of the names of weights of layers. The first index of such a weight is its layer."""


def copy_weights(
    model: GPTModel, config: ModelConfig, folder: Path, tokenizer: Tokenizer, seed: int, layers_on_top: int = 0
) -> None:
    """Fill this rank's weights from a checkpoint of ours. Collective.

    A head of another kind, new adapters and a new sense are drawn from the seed, and the rows of tokens that the
    checkpoint lacks are its mean row. `layers_on_top` of the model repeat the checkpoint's highest ones. Raises
    DataError if it is damaged, of another shape than `config`, or trained with another tokenizer.
    """
    verify(folder)
    found = read_settings(folder)
    if found.tokenizer_sha256 != tokenizer.sha256:
        raise DataError(folder, "trained with another tokenizer", "Set `tokenizer` to that of its training")
    require_fitting(folder, found.config, config, layers_on_top)
    last: tuple[tuple[str, tuple[int, ...]], Tensor] | None = None

    def full_tensor(tensor: ShardedTensor) -> Tensor:
        nonlocal last
        if _is_new(tensor.key, found.config, config):
            return drawn(tensor, config, seed)
        place = tensor.key, tuple(tensor.global_offset[: tensor.prepend_axis_num])
        if tensor.key.startswith(LAYERS) and place[1][0] >= found.config.num_layers:
            place = tensor.key, (place[1][0] - layers_on_top, *place[1][1:])
        if last is None or last[0] != place:
            whole = read_slice(folder, WEIGHTS + tensor.key, place[1])
            last = place, _with_our_rows(whole, tensor, found, config)
        return last[1]

    fill(model, full_tensor)


@torch.no_grad()
def copy_part(model: GPTModel, part: str, folder: Path, config: ModelConfig) -> None:
    """Fill a part that each rank has whole, a join or a speech encoder, from a checkpoint of ours. Collective.

    A Q-Former that was trained without a language model has no matrix to one: the model's own stays as it is. Raises
    DataError if the checkpoint is damaged, or has another such part or none.
    """
    verify(folder)
    found = read_settings(folder).config
    ours, theirs = getattr(config.sense, part, None), getattr(found.sense, part, None)
    if ours is None or ours != theirs:
        shown = theirs and theirs.model_dump()
        remedy = f"Set model.{'eyes' if config.eyes else 'ears'}.{part} to it, or train a {part}"
        raise DataError(folder, f"has another {part} ({shown})", remedy)
    for name, weight in getattr(model, part).named_parameters() if hasattr(model, part) else ():
        if found.head == "none" and name.startswith("out."):
            continue
        whole = read_slice(folder, f"{WEIGHTS}{part}.{name}", ())
        if whole.shape != weight.shape:
            problem = f"{part}.{name} has shape {[*whole.shape]}, here {[*weight.shape]}"
            raise DataError(folder, problem, f"Use a {part} between the same widths")
        weight.copy_(whole)


def _is_new(name: str, found: ModelConfig, config: ModelConfig) -> bool:
    """Return whether a checkpoint of the model `found` lacks a weight of ours."""
    is_new_head = name.startswith("output_layer.") and found.head != config.head
    return is_new_head or (is_adapter(name) and not found.lora) or (is_of_sense(name) and not found.sense)


def _with_our_rows(whole: Tensor, tensor: ShardedTensor, found: CheckpointSettings, config: ModelConfig) -> Tensor:
    """Return a tensor with as many rows as ours, if it has a row for each token: padded rows become tokens' too."""
    count = tensor.global_shape[tensor.prepend_axis_num]
    is_same = whole.size(0) == count and config.extra_tokens == found.config.extra_tokens
    if tensor.key not in (EMBEDDING, HEAD) or is_same:
        return whole
    return with_rows(whole[: found.config.used_rows(found.vocab_size)], count)
