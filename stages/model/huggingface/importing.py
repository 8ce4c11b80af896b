"""A decoder's weights from a Hugging Face folder: each rank reads what it needs, one tensor in memory at a time."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import torch
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.models.gpt import GPTModel
from torch import Tensor

from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import DTYPES, LoadedModel, build_for_reading, join_group
from stages.model.config import ModelConfig
from stages.model.decoder import drawn, fill
from stages.model.huggingface.config import CONFIG_JSON, folder_differences, require_same_shape
from stages.model.huggingface.folder import ReleaseFolder
from stages.model.huggingface.reading import read_tensor
from stages.model.huggingface.tensors import EMBEDDING, HEAD, Slice, slices
from stages.model.huggingface.vision.eyes import EyesFolder
from stages.model.huggingface.weights import join, with_rows
from stages.model.layers.adapters import is_adapter
from stages.model.senses import is_of_sense


class Release(ReleaseFolder):
    """A folder with its weights."""

    def read(self, part: Slice) -> Tensor:
        """Return one slice of ours. Raises DataError, naming the file, if it cannot be read."""
        return join(self.config, part.key, [self._tensor(name) for name in part.names])

    def _tensor(self, name: str) -> Tensor:
        return read_tensor(self.folder / self.tensors[name].file, name, self.prefix)


def import_weights(model: GPTModel, config: ModelConfig, folder: Path, tokenizer: Tokenizer, seed: int) -> None:
    """Fill this rank's weights from a folder, in any layout.

    Rows of pieces and of extra tokens that the folder's vocabulary lacks, and padded rows, are the mean of its rows;
    rows beyond the tokenizer's pieces are dropped, unless they are those of our extra tokens. Adapters, a sense and
    a head of another kind are drawn from the seed. Raises DataError if the folder is of another shape than `config`,
    saying what the recipe's model section has to be, or if its own tokenizer gives the pieces other ids.
    """
    release = Release(folder)
    require_same_shape(folder / CONFIG_JSON, folder_differences(config, release.config))
    release.require_pieces(tokenizer.pieces())
    added = release.added_tokens(tokenizer.vocab_size)
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(config.extra_tokens, added, strict=False)))
    _fill(model, release, tokenizer.vocab_size + common, config, seed)


def load_release(folder: Path) -> LoadedModel:
    """Return the model in a folder, in its own type: this rank's part in the layout of its group. Collective.

    Raises DataError, naming the file, for a folder that is damaged or of another architecture.

    Side effect: see stages.model.checkpoint.load.join_group.
    """
    join_group()
    release = Release(folder)
    dtype = DTYPES[release.dtype]
    model = build_for_reading(release.config, release.vocab_size, dtype)
    _fill(model, release, release.vocab_size, release.config, seed=0)
    return LoadedModel(model, release.config, release.vocab_size, tokenizer_sha256="", step=0)


def _fill(model: GPTModel, release: Release, rows: int, config: ModelConfig, seed: int) -> None:
    """Fill this rank's weights. Rows beyond `rows` are dropped, and rows that the folder lacks are its mean."""
    parts = {(part.key, part.index): part for part in slices(release.config)}
    eyes = release.config.eyes and EyesFolder(release.folder, release.config.eyes, release.config.dim)
    last: tuple[Slice | None, Tensor] = (None, torch.empty(0))

    def full_tensor(tensor: ShardedTensor) -> Tensor:
        nonlocal last
        is_new_head = tensor.key == HEAD and release.config.head != config.head
        is_new = is_of_sense(tensor.key) and not eyes
        if is_new_head or is_adapter(tensor.key) or is_new:
            return drawn(tensor, config, seed)
        index = tensor.global_offset[: tensor.prepend_axis_num]
        if eyes and is_of_sense(tensor.key):
            return eyes.read(tensor.key, index)
        part = parts[tensor.key, index]
        if part != last[0]:
            whole = release.read(part)
            if part.key in (EMBEDDING, HEAD):
                whole = with_rows(whole[:rows], tensor.global_shape[0])
            last = part, whole
        return last[1]

    fill(model, full_tensor)
