"""Weights of one of our checkpoints for a model to start from, in any layout: one tensor in memory at a time."""

from __future__ import annotations

from pathlib import Path

from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.models.gpt import GPTModel
from torch import Tensor

from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import CheckpointSettings, read_settings
from stages.model.checkpoint.names import FREE
from stages.model.checkpoint.reading import WEIGHTS, read_slice, verify
from stages.model.config import ModelConfig
from stages.model.decoder import drawn, fill
from stages.model.huggingface.config import differences
from stages.model.huggingface.weights import EMBEDDING, HEAD, with_rows
from stages.shared.errors import DataError


def copy_weights(model: GPTModel, config: ModelConfig, folder: Path, tokenizer: Tokenizer, seed: int) -> None:
    """Fill this rank's weights from a checkpoint of ours. Collective.

    A head of another kind is drawn from the seed, and the rows of tokens that the checkpoint lacks are its mean row.
    Raises DataError if it is damaged, of another shape than `config`, or trained with another tokenizer.
    """
    verify(folder)
    found = read_settings(folder)
    _require_fitting(folder, found, config, tokenizer)
    last: tuple[tuple[str, tuple[int, ...]], Tensor] | None = None

    def full_tensor(tensor: ShardedTensor) -> Tensor:
        nonlocal last
        if tensor.key.startswith("output_layer.") and found.config.head != config.head:
            return drawn(tensor, config, seed)
        place = tensor.key, tuple(tensor.global_offset[: tensor.prepend_axis_num])
        if last is None or last[0] != place:
            whole = read_slice(folder, WEIGHTS + tensor.key, place[1])
            last = place, _with_our_rows(whole, tensor, found)
        return last[1]

    fill(model, full_tensor)


def _with_our_rows(whole: Tensor, tensor: ShardedTensor, found: CheckpointSettings) -> Tensor:
    """Return a tensor with as many rows as ours, if it has a row for each token."""
    count = tensor.global_shape[tensor.prepend_axis_num]
    if tensor.key not in (EMBEDDING, HEAD) or whole.size(0) == count:
        return whole
    return with_rows(whole[: found.config.used_rows(found.vocab_size)], count)


def _require_fitting(folder: Path, found: CheckpointSettings, config: ModelConfig, tokenizer: Tokenizer) -> None:
    if found.tokenizer_sha256 != tokenizer.sha256:
        raise DataError(folder, "trained with another tokenizer", "Set `tokenizer` to that of its training")
    other = {name: value for name, value in differences(config, found.config).items() if name not in FREE}
    if config.position == "glm" and config.seq_len != found.config.seq_len:
        other["seq_len"] = found.config.seq_len
    kept = config.extra_tokens[: len(found.config.extra_tokens)]
    if kept != found.config.extra_tokens:
        other["extra_tokens"] = [*found.config.extra_tokens]
    if other:
        remedy = f"Give the recipe's model section {', '.join(f'{name}: {value}' for name, value in other.items())}"
        raise DataError(folder, "another shape than the recipe's", remedy)
