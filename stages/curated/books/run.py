"""The step of `curated.books`: the books of one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.curated.books.config import BooksConfig
from stages.curated.books.epub import BookError, html_text, read_epub
from stages.curated.books.gutenberg import unframed
from stages.curated.distinct.keys import read_with_keys
from stages.curated.items import Damaged, Dropped, Found, Item
from stages.curated.reading.archives import Member, members
from stages.curated.reading.decode import decode
from stages.curated.reading.streams import read_all
from stages.curated.reading.unit import damage_of
from stages.shared.task import Task

PUBLIC_DOMAIN = "public domain in the USA"
TEXTS, MARKUP = (".txt",), (".htm", ".html", ".xhtml")


def read(task: Task[BooksConfig]) -> dict[str, Any]:
    """Write the books of one file and the keys by which they are compared."""
    return read_with_keys(task, books(task))


def books(task: Task[BooksConfig]) -> Iterator[Found]:
    """Yield the books of a file and what is none."""
    (file,) = task.inputs["files"]
    path, limit = file.path, int(task.config.max_book_mb * 1e6)
    damages: list[Damaged] = []
    if path.suffix.lower() == ".epub":
        yield _epub(path, file.source, limit)
    elif path.suffix.lower() == ".zip":
        for found in members(path, limit, damages.append, lambda name: name.lower().endswith((*TEXTS, *MARKUP))):
            yield _text(found.name, file.source, found.data) if isinstance(found, Member) else found
    else:
        data = read_all(path, limit, damages.append)
        yield Dropped(reason="too_large", id=path.name) if data is None else _text(path.name, file.source, data)
    for damage in damages:
        yield damage_of(damage, path)


def _epub(path: Path, source: str, limit: int) -> Found:
    try:
        book = read_epub(path, limit)
    except BookError as error:
        return Dropped(reason=error.reason, id=path.name, text=str(error))
    framed = unframed(book.text)
    return Item(
        id=f"{source}/{path.name}",
        url="",
        text=framed.text,
        licence=book.metadata.get("rights", "")[:200],
        date=book.metadata.get("date", "")[:40],
    )


def _text(name: str, source: str, data: bytes) -> Found:
    text = decode(data)
    if text is None:
        return Dropped(reason="not_text", id=name)
    framed = unframed(html_text(text) if name.lower().endswith(MARKUP) else text)
    return Item(id=f"{source}/{name}", url="", text=framed.text, licence=PUBLIC_DOMAIN if framed.fields else "")
