"""What the adapter asks of a model and of a tokenizer: the part of stages/model and stages/shared/tokenizer it uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Model(Protocol):
    """A causal language model, ready to be asked."""

    @property
    def seq_len(self) -> int:
        """Longest input in tokens."""

    def logits(self, tokens_bt: Tensor, /) -> Tensor:
        """Return [B, T, V] for int64 [B, T], T <= seq_len; V is the tokenizer's vocabulary."""


class Tokenizer(Protocol):
    """Texts to token ids and back."""

    eos_id: int
    """The token between documents in training: it ends one and begins the next."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; special tokens have none."""
