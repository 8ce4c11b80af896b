"""Interfaces of the adapter to a model (stages/model) and to a tokenizer (stages/formats/tokenizer.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class CausalModel(Protocol):
    """A causal language model with its weights loaded."""

    @property
    def seq_len(self) -> int:
        """Longest input in tokens."""

    def logits(self, tokens_bt: Tensor, /) -> Tensor:
        """Return [B, T, V] for int64 [B, T], T <= seq_len; V is the tokenizer's vocabulary."""


class Codec(Protocol):
    """Encodes texts as token ids and decodes them."""

    eos_id: int
    """The token after every document in training."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; special tokens give no text."""
