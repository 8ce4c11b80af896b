"""The step of `curated.documents`: the rows of one file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import xxhash

from stages.curated.distinct.keys import read_with_keys
from stages.curated.documents.config import Columns, DocumentsConfig
from stages.curated.documents.rows import Row, column, rows
from stages.curated.items import Damaged, Dropped, Found, Item
from stages.curated.reading.unit import damage_of, read_unit
from stages.shared.task import Task
from stages.text.blocks.gate import Gate
from stages.text.rules.c4 import C4Filter
from stages.text.rules.filters import QualityFilter, RepetitionFilter


def read(task: Task[DocumentsConfig]) -> dict[str, Any]:
    """Write the documents of one file and the keys by which they are compared."""
    config = task.config
    gates: list[Gate] = []
    if config.c4:
        gates.append(C4Filter(config.c4))
    if config.repetition:
        gates.append(RepetitionFilter(config.repetition))
    if config.quality:
        gates.append(QualityFilter(config.quality))
    return (read_with_keys if config.distinct.is_on else read_unit)(task, items(task), gates)


def items(task: Task[DocumentsConfig]) -> Iterator[Found]:
    """Yield the texts of the rows and what is none."""
    (file,) = task.inputs["files"]
    damages: list[Damaged] = []
    columns = task.config.used_columns
    for number, row in enumerate(rows(file.path, int(task.config.max_row_mb * 1e6), damages.append), start=1):
        yield row if isinstance(row, Dropped) else item(row, number, columns)
    for damage in damages:
        yield damage_of(damage, file.path)


def item(row: Row, number: int, columns: Columns) -> Found:
    """Return a row's text, or the reason why it gives none."""
    text = column(row, columns.text)
    url = _shown(column(row, columns.url))
    if not isinstance(text, str):
        return Dropped(reason="no_text", id=f"row {number}", url=url, text=repr(dict(row))[:500])
    score = column(row, columns.score)
    name = _shown(column(row, columns.id)) or xxhash.xxh3_128_hexdigest(f"{url} {text}".encode(errors="replace"))
    return Item(
        id=name,
        url=url,
        text=text,
        language=_shown(column(row, columns.language)).lower().partition("-")[0],
        language_score=round(float(score), 4) if isinstance(score, (int, float)) else 1.0,
        licence=_shown(column(row, columns.licence)),
        date=_shown(column(row, columns.date)),
        source=_shown(column(row, columns.source)),
    )


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " OR ".join(map(str, value))
    return "" if value is None else str(value)
