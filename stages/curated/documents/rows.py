"""Rows of JSON lines, Parquet and Arrow files as mappings, in bounded memory. A bad line costs itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from stages.curated.items import Damaged, Dropped
from stages.curated.reading.streams import chunks

BATCH = 512
"""Rows of a table in memory at once."""
Row = Mapping[str, Any]


def rows(path: Path, limit: int, on_damage: Callable[[Damaged], None]) -> Iterator[Row | Dropped]:
    """Yield the rows of a file in order; `limit` is in bytes of a line of JSON."""
    if path.suffix in (".parquet", ".arrow"):
        yield from _table(path, on_damage)
        return
    for number, line in enumerate(lines(chunks(path, on_damage), limit), start=1):
        if line is None:
            yield Dropped(reason="too_large", id=f"line {number}")
        elif line.strip():
            yield _value(line, number)


def _value(line: bytes, number: int) -> Row | Dropped:
    try:
        value = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        shown = f"{error}: {line[:500].decode(errors='replace')}"
        return Dropped(reason="unreadable_record", id=f"line {number}", text=shown)
    if not isinstance(value, dict):
        return Dropped(reason="unreadable_record", id=f"line {number}", text=repr(value)[:500])
    return value


def lines(pieces: Iterator[bytes], limit: int) -> Iterator[bytes | None]:
    """Yield lines; None for one that is longer than `limit`, whose bytes are passed over."""
    rest: list[bytes] = []
    size = 0
    is_too_long = False
    for piece in pieces:
        *whole, last = piece.split(b"\n")
        for part in whole:
            yield None if is_too_long or size + len(part) > limit else b"".join([*rest, part])
            rest, size, is_too_long = [], 0, False
        size += len(last)
        is_too_long = is_too_long or size > limit
        rest = [] if is_too_long else [*rest, last]
    if size:
        yield None if is_too_long else b"".join(rest)


def _table(path: Path, on_damage: Callable[[Damaged], None]) -> Iterator[Row | Dropped]:
    try:
        for batch in _batches(path):
            for start in range(0, len(batch), BATCH):
                yield from batch.slice(start, BATCH).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        on_damage(Damaged("damaged_part", f"{type(error).__name__}: {error}"))


def _batches(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        yield from pq.ParquetFile(path).iter_batches(batch_size=BATCH)
        return
    with pa.OSFile(str(path)) as file:
        try:
            reader = pa.ipc.open_file(file)
            batches = map(reader.get_batch, range(reader.num_record_batches))
        except pa.ArrowInvalid:  # the stream format, as `datasets` writes it
            file.seek(0)
            batches = iter(pa.ipc.open_stream(file))
        yield from batches


def column(row: Row, name: str | None) -> Any:
    """Return a row's value; None if it has none. `meta.a` is the row's own key, else the key `a` of the mapping `meta`;
    a mapping may stand as text of JSON.
    """
    if name is None or name in row:
        return row.get(name) if name else None
    first, _, rest = name.partition(".")
    inner = row.get(first)
    if isinstance(inner, str) and inner.startswith("{"):
        try:
            inner = orjson.loads(inner)
        except orjson.JSONDecodeError:
            return None
    return column(inner, rest) if rest and isinstance(inner, dict) else None
