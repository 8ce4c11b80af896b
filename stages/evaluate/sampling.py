"""Continues texts token by token: greedy, or sampled with one random stream for each row.

Shape suffixes: B = rows, T = tokens of a row, V = vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from stages.evaluate.interfaces import CausalModel, Codec


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Choice of the next token, and conditions to stop."""

    max_tokens: int
    temperature: float = 0.0
    """0: greedy."""
    top_k: int = 0
    """Number of likeliest tokens to sample from; 0: all."""
    top_p: float = 1.0
    """Probability of the tokens to sample from: the fewest that hold this much."""
    seed: int = 0
    until: tuple[str, ...] = ()
    """Texts that end a continuation and are not part of it."""


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """The text after a prompt."""

    text: str
    tokens: int
    stopped: str
    """`eos`, `until` or `length`."""


@torch.inference_mode()
def continue_rows(
    model: CausalModel, tokenizer: Codec, prompts: Mapping[int, list[int]], sampling: Sampling
) -> list[Continuation]:
    """Return the continuation of each prompt (token ids, not empty) in order, all in one batch.

    The model reads the last `seq_len` tokens. The random stream of a prompt comes from its number and the seed, so its
    draws do not depend on the other rows.
    """
    rows = [_Sequence(prompt, tokenizer, sampling, number) for number, prompt in prompts.items()]
    for _ in range(sampling.max_tokens):
        active = [row for row in rows if not row.stopped]
        if not active:
            break
        windows = [(row.prompt + row.added)[-model.seq_len :] for row in active]
        logits_btv = model.logits(pad(windows))
        for number, (row, window) in enumerate(zip(active, windows, strict=True)):
            row.add(logits_btv[number, len(window) - 1])
    return [Continuation(text=row.text, tokens=len(row.added), stopped=row.stopped or "length") for row in rows]


def pad(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the rows as int64 [B, T], padded with zeros at the end: no real token attends to a later one."""
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], dtype=torch.int64)


class _Sequence:
    """A prompt and its continuation so far."""

    def __init__(self, prompt: list[int], tokenizer: Codec, sampling: Sampling, number: int) -> None:
        self.prompt = prompt
        self.added: list[int] = []
        self.text = ""
        self.stopped = ""
        self._tokenizer = tokenizer
        self._sampling = sampling
        self._before = tokenizer.decode(prompt)
        self._stream = torch.Generator().manual_seed(sampling.seed * 1_000_003 + number)

    def add(self, logits_v: torch.Tensor) -> None:
        token = choose(logits_v.float().cpu(), self._sampling, self._stream)
        if token == self._tokenizer.eos_id:
            self.stopped = "eos"
            return
        self.added.append(token)
        # decoded with the prompt: of a continuation alone, SentencePiece drops the leading space
        self.text = self._tokenizer.decode(self.prompt + self.added)[len(self._before) :]
        ends = [at for at in map(self.text.find, self._sampling.until) if at >= 0]
        if ends:
            self.text = self.text[: min(ends)]
            self.stopped = "until"


def choose(logits_v: torch.Tensor, sampling: Sampling, stream: torch.Generator) -> int:
    """Return the next token: the likeliest at temperature 0, else a draw from the tokens within top_k and top_p."""
    if sampling.temperature == 0.0:
        return int(logits_v.argmax())
    probs, order = torch.softmax(logits_v / sampling.temperature, dim=-1).sort(descending=True, stable=True)
    keep = probs.cumsum(-1) - probs < sampling.top_p  # tokens before this one hold less than top_p
    if sampling.top_k:
        keep[sampling.top_k :] = False
    return int(order[torch.multinomial(probs * keep, 1, generator=stream)])
