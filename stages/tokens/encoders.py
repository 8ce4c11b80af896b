"""The two encoders: SentencePiece, and compiled BPE, which starts later and is several times as fast."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from stages.formats.tokenizer import Tokenizer
from stages.shared import log
from stages.text.compiled.arrays import I32, I64

WORTH_MB = 4.0
"""Compressed MB of documents from which the compiled encoder, which starts in 2 s, pays. SentencePiece takes 3 s."""
HARD = (
    "",
    " ",
    "   ",
    "\n",
    "\t\t",
    "\r\n",
    "\x00",
    "\ufeff",
    "</s>",
    "<0x0A>",
    "\u2581",
    "1234567890",
    "é",
    "e\u0301",
    "ﬁ",
    "\U0001f600",
    "\U0010ffff",
    "a" * 300,
    " " * 300,
    "人" * 100,
    "ab" * 100,
)
"""Texts in which encoders may differ: white space, controls, names of special pieces, combining characters, runs."""


class Encoder(Protocol):
    """Encodes many texts at once."""

    def encode_batch(self, texts: Sequence[str], eos_id: int) -> tuple[I32, I64]:
        """Return the ids of all texts one after another, `eos_id` behind each, and the number of ids by text."""


class SentencePieceEncoder:
    """Encodes any model."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode_batch(self, texts: Sequence[str], eos_id: int) -> tuple[I32, I64]:
        """See Encoder."""
        found = [[*ids, eos_id] for ids in self._tokenizer.encode_batch(texts)]
        counts = np.array([len(ids) for ids in found], np.int64)
        return np.array([i for ids in found for i in ids], np.int32), counts


def choose_encoder(model: Path, tokenizer: Tokenizer, mb: float) -> Encoder:
    """Return the faster encoder for so many compressed MB of documents whose ids are SentencePiece's.

    The compiled one is tried on texts that provoke differences. Where it cannot be used the log says why.
    """
    plain = SentencePieceEncoder(tokenizer)
    if mb < WORTH_MB:
        return plain
    from stages.tokens.bpe.encoder import BpeEncoder  # noqa: PLC0415  numba takes a second, and small files do without
    from stages.tokens.bpe.vocabulary import read_vocabulary  # noqa: PLC0415

    content = model.read_bytes()
    merges = read_vocabulary(content)
    if merges is None:
        log.info("SentencePiece encodes: the compiled encoder knows BPE without user-defined pieces alone")
        return plain
    compiled = BpeEncoder(merges, content)
    if differ(compiled, plain, tokenizer):
        log.warning(f"SentencePiece encodes: the compiled encoder gives other ids for {model}")
        return plain
    return compiled


def differ(one: Encoder, other: Encoder, tokenizer: Tokenizer) -> bool:
    """Return whether two encoders give different ids for hard texts and for random pieces put together."""
    draw = random.Random(0)
    letters = [piece.replace("\u2581", " ") for piece in tokenizer.pieces()] + list(HARD)
    texts = [*HARD, *("".join(draw.choices(letters, k=12)) for _ in range(2000))]
    found, wanted = one.encode_batch(texts, tokenizer.eos_id), other.encode_batch(texts, tokenizer.eos_id)
    return not (np.array_equal(found[0], wanted[0]) and np.array_equal(found[1], wanted[1]))
