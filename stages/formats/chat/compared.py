"""The format of compared responses: packed chats with the rank of each example among those of its prompt.

    NAME.bin, NAME.idx, NAME.mask   as packed chats (stages/formats/chat/packed.py): a row holds whole prompts, and an
                                    example is a prompt with one of its responses, which is what the mask marks
    NAME.ranks                      three int32 an example: number of its prompt, of its comparison, and its rank

A model reads an example's score at its last token: the example ends with the token at which the response ends, or
with the end-of-context token behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stages.formats.chat.packed import Example, PackedRows, PackedWriter
from stages.shared.errors import DataError

RANKS = ".ranks"
_REMEDY = "Run the unit that wrote it again"


@dataclass(frozen=True)
class Compared:
    """The responses of one prompt, each with its comparison and its rank there (1 is best; equal ranks are a tie)."""

    examples: Sequence[Example]
    ranks: Sequence[tuple[int, int]]
    """Comparison, from 0, and rank, an example each. Responses of one comparison are compared with each other."""

    @property
    def tokens(self) -> int:
        """Tokens of all responses, each with its prompt."""
        return sum(len(example.tokens) for example in self.examples)


class ComparedWriter(PackedWriter):
    """Writes rows of prompts; use as a context manager."""

    def __init__(self, bin_path: Path, vocab_size: int) -> None:
        super().__init__(bin_path, vocab_size)
        self._ranks_path = bin_path.with_suffix(RANKS)
        self._ranks: list[tuple[int, int, int]] = []
        self.prompts = 0
        """Prompts so far."""

    def write_prompts(self, prompts: Iterable[Compared]) -> None:
        """Append a row."""
        examples: list[Example] = []
        for prompt in prompts:
            examples += prompt.examples
            self._ranks += [(self.prompts, comparison, rank) for comparison, rank in prompt.ranks]
            self.prompts += 1
        self.write(examples)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._ranks_path.write_bytes(np.array(self._ranks, dtype=np.int32).tobytes())


class ComparedRows(PackedRows):
    """The rows of a dataset, mapped into memory."""

    def __init__(self, bin_path: Path) -> None:
        """Raises DataError, naming the file, if a part of the dataset is missing or of another length."""
        super().__init__(bin_path)
        path = bin_path.with_suffix(RANKS)
        size, wanted = path.stat().st_size, 12 * len(self.lengths)
        if size != wanted:
            raise DataError(path, f"{size:,} bytes where its index has {wanted:,}", _REMEDY)
        self._ranks = np.fromfile(path, np.int32).reshape(-1, 3)

    @property
    def files(self) -> list[Path]:
        """All files of the dataset."""
        return [*super().files, self.path.with_suffix(RANKS)]

    def ranks(self, number: int) -> NDArray[np.int32]:
        """Return prompt, comparison and rank of each example of a row, [N, 3]."""
        found: NDArray[np.int32] = self._ranks[self._borders[number] : self._borders[number + 1]]
        return found

    def prompt(self, number: int) -> Compared:
        """Return a row of one prompt."""
        first, last = int(self._borders[number]), int(self._borders[number + 1])
        ranks = [(int(comparison), int(rank)) for _, comparison, rank in self.ranks(number)]
        return Compared([self.example(each) for each in range(first, last)], ranks)

    @property
    def row_tokens(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self._starts[self._borders])
