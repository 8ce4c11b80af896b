"""A finished training's model on the device: tokens a second of generation and of scoring."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from stages.evaluate.sampling import Sampling, continue_rows
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
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
    prompts = {n: torch.randint(300, 2000, (PROMPT,), generator=draw).tolist() for n in range(PROMPTS)}
    sampling = Sampling(max_tokens=ADDED)
    continue_rows(loaded, tokenizer, prompts, Sampling(max_tokens=2))
    _finish()
    began = time.perf_counter()
    found = continue_rows(loaded, tokenizer, prompts, sampling)
    _finish()
    added = sum(each.tokens for each in found)
    return {"generated_tokens": added, "generated_tokens_s": added / (time.perf_counter() - began)}


def _scored(loaded: LoadedModel, batch_tokens: int) -> float:
    """Return the tokens a second of what lm-eval's adapter does with a batch (stages/evaluate/adapter.py)."""
    length = loaded.seq_len
    tokens = torch.randint(300, 2000, (max(1, batch_tokens // length), length))
    rounds = [0.0] * 4
    for number in range(len(rounds)):
        began = time.perf_counter()
        for logits_TV in loaded.logits(tokens):
            torch.log_softmax(logits_TV[:-1].float().cpu(), dim=-1)
        _finish()
        rounds[number] = time.perf_counter() - began
    return tokens.numel() / min(rounds)


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
