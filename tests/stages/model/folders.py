"""Hugging Face folders and tokenizers for the tests of what comes in and goes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM, PreTrainedModel

from stages.formats.kinds import KINDS
from stages.formats.pieces import TOKENIZER_JSON
from stages.model.config import ModelConfig
from stages.model.huggingface.config import to_config_json
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.hf import to_tokenizer_json
from stages.tokenizer.spm import train

SHAPE: dict[str, Any] = {"num_layers": 2, "dim": 64, "num_heads": 4, "ffn_dim": 96, "seq_len": 24, "init_std": 0.1}
SHAPES: dict[str, dict[str, Any]] = {
    "LLaMA, as many key heads as heads": {},
    "LLaMA, grouped": {"num_kv_heads": 2, "rope_theta": 500_000, "norm_eps": 1e-6},
    "LLaMA, multi-query, tied": {"num_kv_heads": 1, "tied_embeddings": True},
    "Mixtral": {"num_kv_heads": 2, "moe": {"num_experts": 4, "top_k": 2}},
}
VOCAB_SIZE = 290


TEXT = ["the heron of Arlen counts twelve stones", "a badger sleeps at 12:00?"]


def make_tokenizer(folder: Path, vocab_size: int = VOCAB_SIZE, text: Sequence[str] = TEXT) -> Path:
    """Write tokenizer.model and tokenizer.json; return the first."""
    folder.mkdir(parents=True, exist_ok=True)
    model = train(list(text), TokenizerConfig(documents="unused", vocab_size=vocab_size))
    (folder / KINDS.tokenizer.file).write_bytes(model)
    (folder / TOKENIZER_JSON).write_text(to_tokenizer_json(model), "utf-8")
    return folder / KINDS.tokenizer.file


def random_release(folder: Path, changes: dict[str, Any], vocab_size: int = VOCAB_SIZE) -> PreTrainedModel:
    """Let transformers write a random model of a kind into `folder`, in several files; return it."""
    config = ModelConfig(**SHAPE | changes)
    settings = to_config_json(config, vocab_size, "float32", bos_id=1, eos_id=2)
    torch.manual_seed(3)
    model = MixtralForCausalLM(MixtralConfig(**settings)) if config.moe else LlamaForCausalLM(LlamaConfig(**settings))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:  # gains of 1 would hide a norm in the wrong place
                weight.copy_(torch.linspace(0.5, 1.5, weight.numel()))
    model.save_pretrained(folder, max_shard_size="100KB")
    return model.eval()


def tokens(vocab_size: int = VOCAB_SIZE) -> torch.Tensor:
    """Return two sequences of the longest length."""
    return torch.randint(vocab_size, (2, SHAPE["seq_len"]), generator=torch.Generator().manual_seed(2))
