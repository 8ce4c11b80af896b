"""Saves a small untrained model as a checkpoint: what the tests of models start from."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from megatron.core.models.gpt import GPTModel

from stages.model import parallel
from stages.model.checkpoint.names import COMPLETE, STATE
from stages.model.checkpoint.reading import WEIGHTS, describe, tensors_of
from stages.model.checkpoint.saving import save
from stages.model.config import ModelConfig
from stages.model.decoder import build_model, initialise
from stages.shared.files import write_json
from stages.shared.task import Ranks

VOCAB_SIZE = 301
"""No multiple of anything: embeddings are padded."""
SMALL = ModelConfig(num_layers=3, dim=64, num_heads=4, num_kv_heads=2, ffn_dim=96, seq_len=24, init_std=0.1)


def save_untrained(
    folder: Path,
    config: ModelConfig = SMALL,
    seed: int = 1,
    vocab_size: int = VOCAB_SIZE,
    dtype: torch.dtype = torch.float32,
    never: Sequence[int] = (),
) -> GPTModel:
    """Write a checkpoint with fresh weights; return the model it was saved from. It never finds `never` likeliest."""
    parallel.start(Ranks())
    model = build_model(config, vocab_size, dtype).to(dtype).eval()
    initialise(model, config, seed)
    if never:
        model.output_layer.weight.data[list(never)] = 0.0
    state = {"model": config.model_dump(mode="json"), "vocab_size": vocab_size, "dtype": "fp32"}
    save(
        tensors_of(model.sharded_state_dict(prefix=WEIGHTS)),
        folder,
        {STATE: {**state, "tokenizer_sha256": "0" * 64, "step": 0}},
    )
    return model


def seal(folder: Path) -> None:
    """Write the mark of a folder that was changed on purpose."""
    write_json(folder / COMPLETE, {"files": {p.name: describe(p) for p in folder.iterdir() if p.name != COMPLETE}})


def cut(path: Path) -> None:
    """Take the last bytes of a file away."""
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Have the disk refuse larger files of this process, as a full one does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
