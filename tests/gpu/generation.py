"""A finished training's model on the device: tokens a second of generation and of scoring."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.generate.generation import Generator
from stages.generate.memory import scoring_slots
from stages.generate.passes import Passes
from stages.generate.requests import Request
from stages.generate.sampling import Sampling
from stages.generate.scoring import score
from stages.model.checkpoint.load import LoadedModel, load_model
from stages.train.state.names import FINAL
from tests.gpu import training

PROMPTS, PROMPT, ADDED = 16, 32, 64
"""Prompts, their tokens, and the tokens that each is continued by."""


def measured(order: dict[str, Any]) -> dict[str, Any]:
    """Train for a few steps, load the weights, generate and score; return rates and the digest of the weights."""
    trained = training.measured({**order, "finishes": True})
    data, work = Path(order["data"]), Path(order["work"])
    began = time.perf_counter()
    loaded = load_model(work / "out" / FINAL)
    load_s = time.perf_counter() - began
    tokenizer = Tokenizer(data / KINDS.tokenizer.file)
    return {
        "load_s": load_s,
        "weights": trained["weights"],
        "scored_tokens_s": _scored(loaded, order["batch_tokens"]),
        **_generated(loaded, tokenizer),
    }


def _generated(loaded: LoadedModel, tokenizer: Tokenizer) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(5)
    prompts = torch.randint(300, 2000, (PROMPTS, PROMPT), generator=draw).tolist()
    generator = Generator(Passes(loaded, PROMPTS * (PROMPT + ADDED)), tokenizer, max_rows=PROMPTS, batch=4096)

    def generate(tokens: int) -> int:
        sampling = Sampling(max_tokens=tokens)
        found = generator.generate(Request(prompt=tuple(prompt), sampling=sampling) for prompt in prompts)
        _finish()
        return sum(len(each.tokens) for each in found)

    generate(2)
    began = time.perf_counter()
    added = generate(ADDED)
    return {"generated_tokens": added, "generated_tokens_s": added / (time.perf_counter() - began)}


def _scored(loaded: LoadedModel, batch_tokens: int) -> float:
    """Return the tokens a second of what lm-eval's adapter does with a batch (stages/evaluate/adapter.py)."""
    length = loaded.seq_len
    tokens = torch.randint(300, 2000, (max(1, batch_tokens // length), length)).tolist()
    rounds = [0.0] * 4
    for number in range(len(rounds)):
        passes = Passes(loaded, scoring_slots(loaded.config, batch_tokens))
        began = time.perf_counter()
        score(passes, [(row[:1], row[1:]) for row in tokens], batch_tokens)
        _finish()
        rounds[number] = time.perf_counter() - began
    return len(tokens) * length / min(rounds)


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
