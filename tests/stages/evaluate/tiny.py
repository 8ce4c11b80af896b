"""Small real things for these tests: a tokenizer, a random model, and a checkpoint written by stages/model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.checkpoint.names import STATE
from stages.model.checkpoint.reading import tensors_of
from stages.model.checkpoint.saving import save
from stages.model.config import ModelConfig
from stages.model.decoder import build_model, initialise
from stages.shared.task import Ranks

TEXT = """The heron stands in the river and the fox looks for a hare. In the market bread costs four coins.
Over the roofs of the old town flies a red flag; people paint their doors white. One, two, three, 4, 56, 789!
Wer das liest, kann Deutsch. Élan, naïve, coöperate: ça va? The road is quiet and the walk takes three hours."""


SEQ_LEN = 24


def make_transformer(folder: Path, vocab_size: int, seed: int = 0) -> LlamaForCausalLM:
    """Save a transformers Llama with random weights, far from uniform so that a wrong token shows; return it."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=SEQ_LEN,
        initializer_range=0.5,
    )
    model = LlamaForCausalLM(config).eval()  # type: ignore[no-untyped-call]  # transformers leaves it bare
    model.save_pretrained(folder)
    return model


class Fast:
    """A Hugging Face tokenizer behind the interface of ours."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.inner = tokenizer
        self.eos_id: int = tokenizer.eos_token_id

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.inner.encode(text, add_special_tokens=False)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.inner.decode(list(ids), skip_special_tokens=True))


def train_tokenizer(folder: Path, vocab_size: int = 400) -> Path:
    """Train a SentencePiece model as the tokenizer stage does; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text.txt").write_text(TEXT)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=vocab_size,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    return folder / "tokenizer.model"


def make_checkpoint(
    folder: Path,
    tokenizer: Path,
    seed: int = 0,
    step: int = 0,
    change: Callable[[torch.nn.Module], None] = lambda model: None,
    **model: Any,
) -> Path:
    """Write a sealed checkpoint with the weights of `seed`; return its folder. `model` changes its settings."""
    pieces = Tokenizer(tokenizer)
    shape: dict[str, Any] = {"num_layers": 2, "dim": 32, "num_heads": 2, "seq_len": 48, "init_std": 0.3}
    config = ModelConfig(**shape | model)
    parallel.start(Ranks())
    made = build_model(config, pieces.vocab_size)
    initialise(made, config, seed)
    change(made)
    state = {
        "model": config.model_dump(),
        "vocab_size": pieces.vocab_size,
        "dtype": "fp32",
        "tokenizer_sha256": pieces.sha256,
        "step": step,
    }
    save(tensors_of(made.sharded_state_dict(prefix="model.")), folder, {STATE: state})
    return folder
