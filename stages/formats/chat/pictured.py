"""The format of packed chats with pictures or sounds: packed chats, and whose positions stand where.

NAME.bin, NAME.idx, NAME.mask   as packed chats (stages/formats/chat/packed.py); lengths count all positions
NAME.pictures                   a PLACE for each picture or sound, in order of its first token
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stages.formats.chat.packed import Example, PackedRows, PackedWriter, Placed
from stages.formats.pictures.tars import KEY_CHARS
from stages.shared.errors import DataError

PICTURES = ".pictures"
PLACE = np.dtype([("start", "<i8"), ("positions", "<i4"), ("key", f"S{KEY_CHARS}")])
"""First token in `.bin`, tokens, and key in a collection."""
Places = NDArray[np.void]
_REMEDY = "Run the unit that wrote it again"


class PicturedWriter(PackedWriter):
    """Writes rows; use as a context manager."""

    def __init__(self, bin_path: Path, vocab_size: int) -> None:
        super().__init__(bin_path, vocab_size)
        self._pictures_path = bin_path.with_suffix(PICTURES)
        self._places: list[tuple[int, int, str]] = []

    def write(self, examples: Iterable[Example]) -> None:
        """Append a row."""
        row = [*examples]
        self._place(row)
        super().write(row)

    def write_apart(self, examples: Sequence[Example]) -> None:
        """Append examples, each as a row of its own."""
        self._place(examples)
        super().write_apart(examples)

    def _place(self, examples: Iterable[Example]) -> None:
        before = self.tokens
        for example in examples:
            self._places += [(before + start, positions, key) for start, positions, key in example.pictures]
            before += len(example.tokens)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._pictures_path.write_bytes(np.array(self._places, dtype=PLACE).tobytes())


class PicturedRows(PackedRows):
    """The rows of a dataset, mapped into memory."""

    def __init__(self, bin_path: Path) -> None:
        """Raises DataError, naming the file, if a part is missing, of another length, or of other tokens."""
        super().__init__(bin_path)
        path = bin_path.with_suffix(PICTURES)
        if path.stat().st_size % PLACE.itemsize:
            raise DataError(path, f"{path.stat().st_size:,} bytes, no multiple of {PLACE.itemsize}", _REMEDY)
        self.places: Places = np.fromfile(path, PLACE)
        """All pictures, in order of their first token."""
        ends = self.places["start"] + self.places["positions"]
        if len(ends) and (ends[-1] > self.num_tokens or (ends[:-1] > self.places["start"][1:]).any()):
            raise DataError(path, "places of pictures overlap or lie behind the tokens", _REMEDY)

    @property
    def files(self) -> list[Path]:
        """All files of the dataset."""
        return [*super().files, self.path.with_suffix(PICTURES)]

    def pictures(self, number: int) -> Places:
        """Return the places of a row's pictures, counted from the row's first token."""
        return self._between(self._borders[number], self._borders[number + 1])

    def example(self, number: int) -> Example:
        """Return an example, counted over all rows."""
        places = self._between(number, number + 1)
        pictures = [Placed(int(start), int(positions), key.decode()) for start, positions, key in places]
        return super().example(number)._replace(pictures=pictures)

    def _between(self, first: int, last: int) -> Places:
        """Return the places in some examples, counted from the first one's first token."""
        start, end = self._starts[first], self._starts[last]
        found = self.places[slice(*np.searchsorted(self.places["start"], (start, end)))].copy()
        found["start"] -= start
        return found
