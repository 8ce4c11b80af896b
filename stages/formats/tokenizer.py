"""The tokenizer format: a SentencePiece `.model`, with an equivalent `tokenizer.json` beside it. This module loads it.

The end-of-sequence id joins documents: a model that should start a new text gets `eos_id` as its first token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from stages.shared.errors import DataError


class Tokenizer:
    """Encodes and decodes text: `decode(encode(text)) == text`, except U+2581, which SentencePiece reads as a space."""

    def __init__(self, path: Path) -> None:
        """Load the `.model` at `path`. Raises DataError, naming the file, if it is not one."""
        try:
            model = path.read_bytes()
            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        except (OSError, RuntimeError) as error:
            raise DataError(
                path, f"not a SentencePiece model ({error})", "Train it with the tokenizer stage"
            ) from error
        self.sha256 = hashlib.sha256(model).hexdigest()
        """Digest of the `.model`: the encoding and the decoding tokenizer must have the same."""
        self.vocab_size: int = self._pieces.get_piece_size()
        """Pieces, special and byte pieces included."""
        self.bos_id: int = self._pieces.bos_id()
        self.eos_id: int = self._pieces.eos_id()
        self.unk_id: int = self._pieces.unk_id()
        self.pad_id: int = self.eos_id
        """LLaMA's vocabulary has no padding piece: batches are padded with `eos_id`, and the padding is masked."""

    def pieces(self) -> list[str]:
        """Return every piece, in order of id; a space is U+2581."""
        return [self._pieces.id_to_piece(i) for i in range(self.vocab_size)]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without bos and eos. Lone surrogates, which UTF-8 cannot encode, become "?"."""
        # A call for a list makes a pool of threads: of one short text, that takes eight times as long.
        ids: list[int] = self._pieces.encode(_utf8(text))
        return ids

    def encode_batch(self, texts: Sequence[str], num_threads: int = 1) -> list[list[int]]:
        """Return the ids of each text, as `encode` does."""
        ids: list[list[int]] = self._pieces.encode([_utf8(text) for text in texts], num_threads=num_threads)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids. Bytes that are not UTF-8 become U+FFFD; special pieces and padding give no text."""
        text: str = self._pieces.decode([int(i) for i in ids if 0 <= i < self.vocab_size])
        return text


def _utf8(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode()
