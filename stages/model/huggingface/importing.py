"""A decoder's weights from a Hugging Face folder: each rank reads what it needs, one tensor in memory at a time."""

from __future__ import annotations

from pathlib import Path

import torch
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.models.gpt import GPTModel
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import LoadedModel, build_for_reading, join_group
from stages.model.config import ModelConfig
from stages.model.decoder import fill
from stages.model.huggingface.config import CONFIG_JSON, differences, from_config_json, read_config
from stages.model.huggingface.weights import EMBEDDING, HEAD, Slice, join, shapes, slices, with_rows
from stages.shared.errors import DataError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_DERIVED = "rotary_emb.inv_freq"
"""Ends the names of tensors that old folders hold and that follow from config.json."""


class Release:
    """A folder as transformers' `save_pretrained` writes it: config.json and safetensors, in one file or sharded."""

    def __init__(self, folder: Path) -> None:
        """Read what is there, not the weights. Raises DataError, naming the file, if it cannot be used."""
        self.folder = folder
        self.config, self.vocab_size = from_config_json(read_config(folder / CONFIG_JSON), folder / CONFIG_JSON)
        self._files = _weight_map(folder)
        expected = {name for part in slices(self.config) for name in part.names}
        if self.config.tied_embeddings:
            expected |= {"lm_head.weight"} & self._files.keys()  # some folders hold the same tensor twice
        found = {name for name in self._files if not name.endswith(_DERIVED)}
        if odd := sorted(found ^ expected):
            problem = f"{'lacks' if odd[0] in expected else 'has an unknown'} tensor {odd[0]} ({len(odd)} such)"
            raise DataError(folder, problem, "Use the safetensors of a LLaMA or Mixtral model")

    def read(self, part: Slice) -> Tensor:
        """Return one slice of ours. Raises DataError, naming the file, for a tensor of another shape or none."""
        wanted = shapes(self.config, part, self.vocab_size)
        return join(self.config, part.key, [self._tensor(*pair) for pair in zip(part.names, wanted, strict=True)])

    def _tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        path = self.folder / self._files[name]
        try:
            with safe_open(path, "pt") as file:
                tensor: Tensor = file.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise DataError(path, f"unreadable ({error})", "Fetch it again", record=name) from error
        if tuple(tensor.shape) != shape:
            raise DataError(path, f"shape {[*tensor.shape]}", f"{CONFIG_JSON} says {[*shape]}", record=name)
        return tensor


def import_weights(model: GPTModel, config: ModelConfig, folder: Path, tokenizer: Tokenizer) -> None:
    """Fill this rank's weights from a folder, in any layout.

    Rows of pieces that the folder's vocabulary lacks, and padded rows, are the mean of its rows; rows beyond the
    tokenizer's pieces are dropped. Raises DataError if the folder is of another shape than `config`, saying what the
    recipe's model section has to be, or if its own tokenizer gives the pieces other ids.
    """
    release = Release(folder)
    if other := differences(config, release.config):
        remedy = f"Give the recipe's model section {', '.join(f'{name}: {value}' for name, value in other.items())}"
        raise DataError(folder / CONFIG_JSON, "another shape than the recipe's", remedy)
    _check_pieces(folder / KINDS.tokenizer.file, tokenizer)
    _fill(model, release, tokenizer.vocab_size)


def load_release(folder: Path) -> LoadedModel:
    """Return the model in a folder, in its own type: this rank's part in the layout of its group. Collective.

    Raises DataError, naming the file, for a folder that is damaged or of another architecture.

    Side effect: see stages.model.checkpoint.load.join_group.
    """
    join_group()
    release = Release(folder)
    dtype = release.read(next(slices(release.config))).dtype
    model = build_for_reading(release.config, release.vocab_size, dtype)
    _fill(model, release, release.vocab_size)
    return LoadedModel(model, release.config, release.vocab_size, tokenizer_sha256="", step=0)


def _fill(model: GPTModel, release: Release, pieces: int) -> None:
    """Fill this rank's weights. Rows beyond `pieces` are dropped, and rows that the folder lacks are its mean."""
    parts = {(part.key, part.index): part for part in slices(release.config)}
    last: tuple[Slice | None, Tensor] = (None, torch.empty(0))

    def full_tensor(tensor: ShardedTensor) -> Tensor:
        nonlocal last
        part = parts[tensor.key, tensor.global_offset[: tensor.prepend_axis_num]]
        if part != last[0]:
            whole = release.read(part)
            if part.key in (EMBEDDING, HEAD):
                whole = with_rows(whole[:pieces], tensor.global_shape[0])
            last = part, whole
        return last[1]

    fill(model, full_tensor)


def _check_pieces(path: Path, tokenizer: Tokenizer) -> None:
    if not path.exists():
        return
    pieces = zip(Tokenizer(path).pieces(), tokenizer.pieces(), strict=False)
    for number, (theirs, ours) in enumerate(pieces):
        if theirs != ours:
            problem = f"piece {number} is {theirs!r}, and {ours!r} in the tokenizer of this training"
            raise DataError(path, problem, "Train with the folder's tokenizer, or one that adds pieces at its end")


def _weight_map(folder: Path) -> dict[str, str]:
    """Return each tensor's file."""
    if (folder / INDEX).exists():
        files = read_config(folder / INDEX).get("weight_map")
        if not isinstance(files, dict) or not all(isinstance(file, str) for file in files.values()):
            raise DataError(folder / INDEX, "no weight_map", "Fetch it again")
        for file in sorted(set(files.values())):
            if Path(file).name != file or not file.endswith(".safetensors"):
                raise DataError(folder / INDEX, f"names {file!r}", "Use safetensors files of the same folder")
            if not (folder / file).is_file():
                raise DataError(folder / file, "not there", f"{INDEX} names it: fetch it")
        return files
    if not (folder / WEIGHTS).is_file():
        remedy = "Use safetensors: pickled weights (pytorch_model.bin) are not read, convert them with transformers"
        raise DataError(folder, f"neither {WEIGHTS} nor {INDEX}", remedy)
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            return dict.fromkeys(file.keys(), WEIGHTS)
    except SafetensorError as error:
        raise DataError(folder / WEIGHTS, f"unreadable ({error})", "Fetch it again") from error
