"""The format of packed chats: rows of whole examples, with a token, a mask and an example column.

    NAME.bin, NAME.idx   Megatron's indexed dataset: a document is a row, and its sequences are the row's examples
    NAME.mask            a byte a token, in the order of `.bin`: 1 if the token is learned

A row holds no padding. `align` writes it, trainings map it into memory. Megatron's own reader opens the first two; they
are written here because importing Megatron takes seconds and torch. `.idx` has a header, then the length of each
sequence (int32), the place of each in `.bin` in bytes (int64), and the sequences before each document (int64).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from stages.shared.errors import DataError

MASK = ".mask"
_HEADER = struct.Struct("<9sQBQQ")
"""Magic, version, number type, sequences, documents and one more."""
_MAGIC, _VERSION = b"MMIDIDX\0\0", 1
_CODES: dict[int, type[np.integer]] = {4: np.int32, 8: np.uint16}
"""Megatron's codes of the types of tokens."""
_NARROW = 65_500
"""Vocabulary from which on Megatron takes 4 bytes a token, not 2."""
_WRITTEN_TOGETHER = 512
"""Examples that are held until they are written in one go."""
_REMEDY = "Run the unit that wrote it again"


class Placed(NamedTuple):
    """A picture or sound of an example."""

    start: int
    """Its first token."""
    positions: int
    """Tokens that it takes."""
    key: str


class Example(NamedTuple):
    """A conversation as tokens, or a part of it. Both arrays have one number a token."""

    tokens: NDArray[np.integer]
    is_learned: NDArray[np.bool_]
    pictures: Sequence[Placed] = ()
    """In order. Only stages/formats/chat/pictured.py writes them."""


@dataclass(frozen=True)
class Row:
    """Examples that share a row."""

    tokens: NDArray[np.integer]
    is_learned: NDArray[np.bool_]
    lengths: NDArray[np.int32]
    """Tokens of each example, in order."""


class PackedWriter:
    """Writes rows; use as a context manager. Tokens are uint16 for a vocabulary below 65,500, else int32."""

    def __init__(self, bin_path: Path, vocab_size: int) -> None:
        self._code = 8 if vocab_size < _NARROW else 4
        self._index = bin_path.with_suffix(".idx")
        self._tokens = bin_path.open("wb")
        self._mask = bin_path.with_suffix(MASK).open("wb")
        self._lengths: list[int] = []
        self._borders = [0]
        self._held: list[Example] = []
        self.tokens = 0
        """Tokens so far."""
        self.learned = 0
        """Learned tokens, counted once the writer is closed."""

    @property
    def rows(self) -> int:
        """Rows so far."""
        return len(self._borders) - 1

    @property
    def examples(self) -> int:
        """Examples so far."""
        return len(self._lengths)

    def write(self, examples: Iterable[Example]) -> None:
        """Append a row."""
        for example in examples:
            self._held.append(example)
            self._lengths.append(len(example.tokens))
            self.tokens += len(example.tokens)
        self._borders.append(len(self._lengths))
        if len(self._held) >= _WRITTEN_TOGETHER:
            self._flush()

    def write_apart(self, examples: Sequence[Example]) -> None:
        """Append examples, each as a row of its own."""
        self._held += examples
        lengths = [len(example.tokens) for example in examples]
        self._borders += range(len(self._lengths) + 1, len(self._lengths) + len(lengths) + 1)
        self._lengths += lengths
        self.tokens += sum(lengths)
        if len(self._held) >= _WRITTEN_TOGETHER:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            tokens = np.concatenate([example.tokens for example in self._held])
            self._tokens.write(tokens.astype(_CODES[self._code]).tobytes())
            is_learned = np.concatenate([example.is_learned for example in self._held])
            self._mask.write(is_learned.tobytes())
            self.learned += int(is_learned.sum())
            self._held.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._tokens.close()
        self._mask.close()
        lengths = np.array(self._lengths, dtype=np.int32)
        width = np.dtype(_CODES[self._code]).itemsize
        places = (np.cumsum(lengths, dtype=np.int64) - lengths) * width
        with self._index.open("wb") as file:
            file.write(_HEADER.pack(_MAGIC, _VERSION, self._code, len(lengths), len(self._borders)))
            for numbers in (lengths, places, np.array(self._borders, dtype=np.int64)):
                file.write(numbers.tobytes())


class PackedRows:
    """The rows of a dataset, mapped into memory."""

    def __init__(self, bin_path: Path) -> None:
        """Raises DataError, naming the file, if a part of the dataset is missing or of another length."""
        self.path = bin_path
        for path in self.files:
            if not path.is_file():
                raise DataError(path, "not there", _REMEDY)
        dtype, self.lengths, self._borders = _read_index(bin_path.with_suffix(".idx"))
        self._starts = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        self.num_tokens = int(self._starts[-1])
        self._tokens = self._mapped(bin_path, dtype)
        self._mask = self._mapped(bin_path.with_suffix(MASK), np.uint8)

    @property
    def files(self) -> list[Path]:
        """All files of the dataset."""
        return [self.path, self.path.with_suffix(".idx"), self.path.with_suffix(MASK)]

    def _mapped(self, path: Path, dtype: type[np.integer]) -> NDArray[np.integer]:
        size, wanted = path.stat().st_size, self.num_tokens * np.dtype(dtype).itemsize
        if size != wanted:
            raise DataError(path, f"{size:,} bytes where its index says {wanted:,}", _REMEDY)
        if not size:
            return np.zeros(0, dtype)  # an empty file cannot be mapped
        return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)  # a slice of a memmap takes three times as long

    def __len__(self) -> int:
        return len(self._borders) - 1

    def row(self, number: int) -> Row:
        """Return a row."""
        first, last = self._borders[number], self._borders[number + 1]
        place = slice(self._starts[first], self._starts[last])
        return Row(self._tokens[place], self._mask[place].view(np.bool_), self.lengths[first:last])

    def example(self, number: int) -> Example:
        """Return an example, counted over all rows."""
        place = slice(self._starts[number], self._starts[number + 1])
        return Example(self._tokens[place], self._mask[place].view(np.bool_))


def _read_index(path: Path) -> tuple[type[np.integer], NDArray[np.int32], NDArray[np.int64]]:
    """Return the type of tokens, the length of each example, and the examples before each row, and before the end."""
    data = path.read_bytes()
    try:
        magic, version, code, examples, borders = _HEADER.unpack_from(data)
        if (magic, version) != (_MAGIC, _VERSION) or len(data) != _HEADER.size + 12 * examples + 8 * borders:
            raise ValueError("another format, or cut")
        lengths = np.frombuffer(data, np.int32, examples, _HEADER.size)
        rows = np.frombuffer(data, np.int64, borders, _HEADER.size + 12 * examples)
        return _CODES[code], lengths, rows
    except (ValueError, KeyError, struct.error) as error:
        raise DataError(path, f"not an index of packed chats ({error!r})", _REMEDY) from error
