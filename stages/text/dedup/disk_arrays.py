"""Arrays of 64-bit numbers that are larger than memory, as plain .npy files, without mapping them.

A mapping holds an open file, and a run has more units than a process may have open files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from stages.shared.errors import DataError
from stages.text.compiled.arrays import U64

NUMBER = np.dtype("<u8")
BLOCK = 1 << 20
"""Numbers read or transposed at a time: 8 MB."""
REMEDY = "Run the step that wrote it again"


class Rows:
    """A finished uint64 array of two dimensions whose rows are read one by one. Holds no open file."""

    def __init__(self, path: Path) -> None:
        """Read the header. Raises DataError if the file holds another kind of array."""
        self.path = path
        try:
            with path.open("rb") as file:
                if npy.read_magic(file) != (1, 0):
                    raise ValueError("a .npy file of another version")
                shape, by_columns, dtype = npy.read_array_header_1_0(file)
                self._start = file.tell()
        except ValueError as error:
            raise DataError(path, f"not a readable array ({error})", REMEDY) from error
        if dtype != NUMBER or len(shape) != 2 or by_columns:
            raise DataError(path, f"an array of {dtype} {shape} instead of rows of uint64", REMEDY)
        self.shape: tuple[int, int] = (shape[0], shape[1])

    def read(self, row: int, start: int = 0, stop: int | None = None) -> U64:
        """Return one row, or these places of it."""
        stop = self.shape[1] if stop is None else min(stop, self.shape[1])
        return self._numbers(row * self.shape[1] + start, stop - start)

    def blocks(self) -> Iterator[U64]:
        """Yield the whole array in order, some rows at a time, at least one."""
        step = max(1, BLOCK // max(1, self.shape[1]))
        for start in range(0, self.shape[0], step):
            rows = min(step, self.shape[0] - start)
            yield self._numbers(start * self.shape[1], rows * self.shape[1]).reshape(rows, -1)

    def _numbers(self, start: int, count: int) -> U64:
        found: U64 = np.fromfile(self.path, NUMBER, count, offset=self._start + start * NUMBER.itemsize)
        if len(found) != count:
            raise DataError(self.path, "ends too early", REMEDY)
        return found


class RowsWriter:
    """Writes a uint64 array of known width and unknown length, some rows at a time."""

    def __init__(self, path: Path, columns: int) -> None:
        self.count = 0
        self._columns = columns
        self._file = path.open("wb")
        self._write_header()

    def add(self, rows: U64) -> None:
        """Append rows, shape (any, columns)."""
        self._file.write(np.ascontiguousarray(rows, NUMBER).data)
        self.count += len(rows)

    def _write_header(self) -> None:
        # NumPy leaves room in the header for the first dimension to grow, so the final header fits over the first one.
        header = {"descr": NUMBER.str, "fortran_order": False, "shape": (self.count, self._columns)}
        npy.write_array_header_1_0(self._file, header)

    def __enter__(self) -> RowsWriter:
        return self

    def __exit__(self, *error: object) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()


class ColumnsWriter:
    """Writes a uint64 array of known height column by column, as an array of rows for a reader of single rows.

    The columns go to a file aside. Leaving the context transposes them, a part at a time, so that memory stays flat.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.count = 0
        self._path, self._aside, self._rows = path, path.with_suffix(".columns"), rows
        self._file = self._aside.open("wb")

    def add(self, column: U64) -> None:
        """Append a column, shape (rows,)."""
        self._file.write(np.ascontiguousarray(column, NUMBER).data)
        self.count += 1

    def __enter__(self) -> ColumnsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._file.close()
        if kind is None:
            self._transpose()
        self._aside.unlink()

    def _transpose(self) -> None:
        step = max(1, BLOCK // self._rows)
        with self._path.open("wb") as file, self._aside.open("rb") as columns:
            header = {"descr": NUMBER.str, "fortran_order": False, "shape": (self._rows, self.count)}
            npy.write_array_header_1_0(file, header)
            begin = file.tell()
            for start in range(0, self.count, step):
                part = np.fromfile(columns, NUMBER, min(step, self.count - start) * self._rows)
                for row, numbers in enumerate(np.ascontiguousarray(part.reshape(-1, self._rows).T)):
                    file.seek(begin + (row * self.count + start) * NUMBER.itemsize)
                    file.write(numbers.data)
