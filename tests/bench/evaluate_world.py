"""Models and their releases, which both sides of a comparison with stock `lm_eval --model hf` answer with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.names import STATE
from stages.model.config import ModelConfig
from stages.model.huggingface.exporting import export_checkpoint
from stages.shared.files import read_json, write_json
from stages.tokenizer.hf import to_tokenizer_json
from tests.stages.model.saved import save_untrained, seal

MODEL = ModelConfig(num_layers=6, dim=384, num_heads=6, ffn_dim=1024, seq_len=2048)
_SMALL = ModelConfig(num_layers=2, dim=128, num_heads=4, ffn_dim=256, seq_len=2048, init_std=0.05)
VARIANTS = {
    "grouped": ModelConfig(**_SMALL.model_dump() | {"num_kv_heads": 2}),
    "Mixtral": ModelConfig(**_SMALL.model_dump() | {"num_kv_heads": 2, "moe": {"num_experts": 4, "top_k": 2}}),
    "folder with <s>": _SMALL,
}
"""Small models whose answers are compared with stock's; the last one is opened from its release."""


def llama_pieces(root: Path) -> Path:
    """Return LLaMA's own tokenizer."""
    return root / "tokenizer" / "llama_tokenizer.model"


def make_world(folder: Path, pieces: Path, config: ModelConfig = MODEL, never: Sequence[int] = ()) -> None:
    """Write the tokenizer, the checkpoint and its release. The model never finds the tokens `never` likeliest."""
    folder.mkdir(exist_ok=True)
    tokenizer = folder / KINDS.tokenizer.file
    tokenizer.write_bytes(pieces.read_bytes())
    tokenizer.with_name(TOKENIZER_JSON).write_text(to_tokenizer_json(tokenizer.read_bytes()), "utf-8")
    read = Tokenizer(tokenizer)
    checkpoint = folder / "checkpoint"
    save_untrained(checkpoint, config, vocab_size=read.vocab_size, never=never)
    write_json(checkpoint / STATE, read_json(checkpoint / STATE) | {"tokenizer_sha256": read.sha256})
    seal(checkpoint)
    export_checkpoint(checkpoint, folder / "release", tokenizer)


def begin_with_bos(folder: Path) -> None:
    """Make the world's release one of LLaMA's kind, whose texts begin with <s>, and remove the checkpoint."""
    shutil.rmtree(folder / "checkpoint")
    release = folder / "release"
    content = read_json(release / TOKENIZER_JSON)
    renamed = json.dumps(content["post_processor"]).replace("</s>", "<s>").replace('"ids": [2]', '"ids": [1]')
    write_json(release / TOKENIZER_JSON, content | {"post_processor": json.loads(renamed)})
    settings = release / "tokenizer_config.json"
    write_json(settings, read_json(settings) | {"bos_token": "<s>"})
