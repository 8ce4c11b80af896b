"""A checkpoint as a Hugging Face folder: config.json, safetensors in shards, the tokenizer. One shard in memory."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from stages.formats.chat.templates import PICTURE, ChatTemplate
from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import DTYPES
from stages.model.checkpoint.reading import WEIGHTS, read_slice, verify
from stages.model.checkpoint.settings import RewardScale, read_settings
from stages.model.config import ModelConfig
from stages.model.huggingface.config import CONFIG_JSON, to_config_json
from stages.model.huggingface.folder import INDEX
from stages.model.huggingface.folder import WEIGHTS as WHOLE
from stages.model.huggingface.tensors import EMBEDDING, HEAD, Slice, shapes, slices
from stages.model.huggingface.tokenizer import write_tokenizer
from stages.model.huggingface.vision.eyes import EYES, eyes_tensors, write_processor
from stages.model.huggingface.vision.llava import EYES_JSON, LANGUAGE, llava_json, unlike_llava
from stages.model.huggingface.weights import split
from stages.model.layers.adapters import ADAPTER_IN, ADAPTER_OUT, merged
from stages.shared.errors import DataError
from stages.shared.files import flush_tree, replace_dir, write_json

SHARD_BYTES = 5_000_000_000
"""Largest file of weights, as transformers' own; a single larger tensor gets a file of its own."""

_DECODER = "decoder.safetensors"
"""The decoder's weights beside those of eyes."""


@dataclass(frozen=True)
class Shard:
    """One file of weights."""

    name: str
    parts: tuple[Slice, ...]
    size: int
    """Bytes of its tensors."""


def export_checkpoint(
    checkpoint: Path,
    folder: Path,
    tokenizer: Path,
    shard_bytes: int = SHARD_BYTES,
    template: ChatTemplate | None = None,
) -> int:
    """Write the model of a checkpoint folder as a folder that transformers loads; return its parameter count.

    Weights keep their type; the vocabulary's padded rows are left out, and adapters are merged. `tokenizer` is the
    `.model` that it was trained with, its `tokenizer.json` beside it; the model's extra tokens are added to it. With a
    chat template the folder has that of transformers, and generation ends with its end token. Written aside and
    renamed: the folder is whole or not there. Call it in a process of its own group (stages.model.parallel.start).

    Raises DataError for a damaged checkpoint, another tokenizer, or an architecture that transformers does not have.
    """
    verify(checkpoint)
    settings = read_settings(checkpoint)
    pieces = Tokenizer(tokenizer)
    if pieces.sha256 != settings.tokenizer_sha256:
        raise DataError(tokenizer, f"not the tokenizer of {checkpoint}", "Give the one that it was trained with")
    if not tokenizer.with_name(TOKENIZER_JSON).is_file():
        raise DataError(tokenizer, f"no {TOKENIZER_JSON} beside it", "Put the one there that gives the same ids")
    model, rows = settings.config, settings.config.used_rows(settings.vocab_size)
    dtype = DTYPES[settings.dtype]
    names = str(dtype).removeprefix("torch.")
    try:
        described = to_config_json(model, rows, names, bos_id=pieces.eos_id, eos_id=pieces.eos_id)
    except ValueError as error:
        raise DataError(checkpoint, f"transformers has no such model ({error})", "Use the checkpoint itself") from error
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    if model.eyes and PICTURE not in model.extra_tokens:
        raise DataError(checkpoint, f"no token {PICTURE} among model.extra_tokens", "Train it with the token")
    described, prefix = _with_eyes(described, model, settings.vocab_size)
    shards = plan_shards(model, rows, dtype.itemsize, shard_bytes)
    if prefix and len(shards) == 1:  # a file named WHOLE would hold all weights
        shards = [replace(shards[0], name=_DECODER)]
    for shard in shards:
        tensors = dict(pair for part in shard.parts for pair in _tensors(checkpoint, model, part, rows))
        named = {prefix + name: tensor for name, tensor in tensors.items()}
        save_file(named, aside / shard.name, metadata={"format": "pt"})
    files = {prefix + name: shard.name for shard in shards for part in shard.parts for name in part.names}
    seen = _write_eyes(checkpoint, model, aside) if model.eyes else []
    if prefix:
        files |= dict.fromkeys(seen, EYES)
    if len(shards) > 1 or prefix:
        size = sum(shard.size for shard in shards)
        write_json(aside / INDEX, {"metadata": {"total_size": size}, "weight_map": files})
    if model.head == "scalar":
        described |= _scale_json(settings.reward, pieces)
    write_json(aside / CONFIG_JSON, described)
    write_tokenizer(tokenizer, aside, model, template)
    flush_tree(aside)
    replace_dir(aside, folder)
    return model.num_parameters(rows)


def _with_eyes(described: dict[str, Any], model: ModelConfig, vocab_size: int) -> tuple[dict[str, Any], str]:
    """Return config.json's content, and what stands before the names of a decoder's tensors: those of a LLaVA where
    transformers has the model's eyes.
    """
    if model.eyes is None or unlike_llava(model.eyes):
        return described, ""
    return llava_json(model.eyes, described, model.token_id(PICTURE, vocab_size)), LANGUAGE


def _write_eyes(checkpoint: Path, model: ModelConfig, folder: Path) -> list[str]:
    """Write a model's eyes, and the files of the processor where transformers has one; return the tensors' names."""
    assert model.eyes is not None  # the caller's condition
    tensors = eyes_tensors(model.eyes, model.dim, lambda key, index: read_slice(checkpoint, WEIGHTS + key, index))
    save_file(tensors, folder / EYES, metadata={"format": "pt"})
    write_json(folder / EYES_JSON, model.eyes.model_dump(mode="json"))
    if not unlike_llava(model.eyes):
        write_processor(folder, model.eyes, PICTURE)
    return [*tensors]


def _scale_json(scale: RewardScale | None, pieces: Tokenizer) -> dict[str, Any]:
    """Return what config.json has of a reward model's scores.

    transformers reads the score at the last token that is not the padding token. That must be a token that ends no
    conversation: the unknown piece.
    """
    scale = scale or RewardScale(shift=0.0)
    return {"pad_token_id": pieces.unk_id, "reward_shift": scale.shift, "end_of_context": scale.end_of_context}


def plan_shards(model: ModelConfig, rows: int, width: int, shard_bytes: int) -> list[Shard]:
    """Return the files of weights, filled in order, with `width` bytes a weight and `rows` tokens. Pure."""
    groups: list[list[Slice]] = [[]]
    sizes = [0]
    for part in slices(model):
        size = width * sum(math.prod(shape) for shape in shapes(model, part, rows))
        if groups[-1] and sizes[-1] + size > shard_bytes:
            groups.append([])
            sizes.append(0)
        groups[-1].append(part)
        sizes[-1] += size
    if len(groups) == 1:
        return [Shard(WHOLE, tuple(groups[0]), sizes[0])]
    return [
        Shard(f"model-{number:05d}-of-{len(groups):05d}.safetensors", tuple(parts), size)
        for number, (parts, size) in enumerate(zip(groups, sizes, strict=True), start=1)
    ]


def _tensors(checkpoint: Path, model: ModelConfig, part: Slice, rows: int) -> Iterator[tuple[str, torch.Tensor]]:
    whole = read_slice(checkpoint, WEIGHTS + part.key, part.index)
    if model.lora and any(part.key.endswith(f"linear_{target}.weight") for target in model.lora.targets):
        start = WEIGHTS + part.key.removesuffix("weight")
        first, last = (read_slice(checkpoint, start + name, part.index) for name in (ADAPTER_IN, ADAPTER_OUT))
        whole = merged(whole, first, last, model.lora)
    if part.key in (EMBEDDING, HEAD):
        whole = whole[:rows]
    for name, tensor in zip(part.names, split(model, part.key, whole), strict=True):
        yield name, tensor.clone()  # a view would be saved with all it looks at
