"""What both sides of train_speed.py train on: made-up words, random weights, and the batches that the stage reads."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train as train_tokenizer
from stages.tokens.indexed import DatasetWriter
from stages.train.data.batches import microbatches
from stages.train.data.corpus import SourceDataset, open_corpus
from stages.train.data.datasets import EndOfDocument, build_dataset
from stages.train.data.feed import Window
from stages.train.objectives.next_token import NextToken

VOCABULARY = 4096


def write_data(folder: Path) -> None:
    """Write a tokenizer and a dataset."""
    draw = random.Random(3)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randrange(3, 9))) for _ in range(6_000)]
    texts = [" ".join(draw.choices(words, k=60)) for _ in range(600)]
    config = TokenizerConfig(documents="unused", vocab_size=VOCABULARY)
    (folder / KINDS.tokenizer.file).write_bytes(train_tokenizer(texts, config))
    tokenizer = Tokenizer(folder / KINDS.tokenizer.file)
    with DatasetWriter(folder / "tokens-words.bin", tokenizer.vocab_size) as writer:
        for text in texts:
            writer.write([*tokenizer.encode(text), tokenizer.eos_id])


def write_weights(folder: Path, model: dict[str, int]) -> None:
    """Write a LLaMA with random weights as transformers does."""
    shape = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=model["dim"],
        intermediate_size=model["ffn_dim"],
        num_hidden_layers=model["num_layers"],
        num_attention_heads=model["num_heads"],
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )
    torch.manual_seed(1)
    LlamaForCausalLM(shape).save_pretrained(folder)


def write_batches(data: Path, folder: Path, settings: dict[str, Any]) -> None:
    """Write the sequences of every step as the stage will read them: [steps, B, T] of tokens and of labels."""
    config = PretrainConfig(tokens="unused", tokenizer="unused", **settings)
    tokenizer = Tokenizer(data / KINDS.tokenizer.file)
    parallel.start(Ranks())
    corpus = open_corpus([SourceDataset("words", data / "tokens-words.bin")])
    dataset = build_dataset(
        corpus,
        config,
        folder / "index",
        EndOfDocument(tokenizer.eos_id, tokenizer.vocab_size),
        config.schedule.sequences({}),
    )
    size = config.global_batch
    steps = [Window(dataset, step * size, size) for step in range(config.steps)]
    columns = NextToken(config, tokenizer.eos_id).columns
    batches = [next(microbatches(samples, columns, config.microbatch, 1)) for samples in steps]
    for name in ("tokens", "labels"):
        np.save(folder / f"{name}.npy", np.stack([batch[name].numpy() for batch in batches]))
