"""Pages of a MediaWiki XML dump as a stream, plain or compressed, whole or a part of a multistream file.

The namespaces, the language and the address of the wiki come from the dump's head. A page that is damaged costs itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from stages.curated.items import Damaged, Dropped
from stages.curated.reading.streams import chunks, find_stream
from stages.text.markup.elements import TooLarge, as_utf8, elements, unescape

PAGE, END = b"<page>", b"</page>"
HEAD_BYTES = 4 << 20
"""Bytes in which the head of a dump ends."""
LANGUAGE = re.compile(rb'<mediawiki\b[^>]*?\bxml:lang="([^"]*)"')
BASE = re.compile(rb"<base>([^<]*)</base>")
NAMESPACE = re.compile(rb'<namespace key="(-?\d+)"[^>]*?>([^<]*)</namespace>')
FIELD = re.compile(rb"<(title|ns|id|redirect|timestamp|model)\b([^>]*)>([^<]*)")
TEXT = re.compile(rb"<text\b([^>]*)>([^<]*)(</text>)?")
SEARCHED = 1 << 16
FILES, CATEGORIES = 6, 14
"""Numbers of namespaces whose links are no text."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the head of a dump says."""

    language: str = ""
    base: str = ""
    """URL of an article is this and its title."""
    prefixes: frozenset[str] = field(default=frozenset())
    """Names of the namespaces of files and categories, in lower case."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the dump."""

    id: str
    title: str
    namespace: int
    is_redirect: bool
    model: str
    date: str
    """Of its last revision, ISO 8601."""
    text: str


def read_site(path: Path) -> Site:
    """Return the head of a dump; of a dump without one an empty Site."""
    found = bytearray()
    for chunk in as_utf8(chunks(path, lambda damage: None)):
        found += chunk
        if b"<page>" in chunk or b"</siteinfo>" in chunk or len(found) > HEAD_BYTES:
            break
    head = bytes(found)
    language, base = LANGUAGE.search(head), BASE.search(head)
    names = {int(key): name.decode(errors="replace").lower() for key, name in NAMESPACE.findall(head)}
    prefixes = frozenset(names[key] for key in (FILES, CATEGORIES) if names.get(key))
    url = unescape(base[1].decode(errors="replace")).rpartition("/")[0] if base else ""
    return Site(language[1].decode(errors="replace") if language else "", f"{url}/" if url else "", prefixes)


def read_pages(
    path: Path, limit: int, on_damage: Callable[[Damaged], None], part: tuple[int, int] = (0, 1)
) -> Iterator[Page | Dropped]:
    """Yield the pages of a dump, or of one of several parts of a multistream file: parts are divided between streams.

    `limit` is in bytes of a page.
    """
    start, stop = part_bounds(path, *part)
    if start == stop:
        return
    for element in elements(chunks(path, on_damage, start, stop), PAGE, END, limit):
        if isinstance(element, TooLarge):
            yield Dropped(reason="too_large", id=_title_of(element.head), text=element.head.decode(errors="replace"))
        else:
            yield parse_page(element)


def part_bounds(path: Path, number: int, count: int) -> tuple[int, int | None]:
    """Return where a part of a file begins and ends: at the first stream after an equal share of its bytes."""
    if count == 1:
        return 0, None
    size = path.stat().st_size
    return _stream_after(path, size * number // count, size), _stream_after(path, size * (number + 1) // count, size)


def _stream_after(path: Path, place: int, size: int) -> int:
    if place == 0:
        return 0
    with path.open("rb") as file:
        file.seek(place)
        data = b""
        while block := file.read(SEARCHED):
            data += block
            found = find_stream(data)
            if found is not None:
                return place + found
            place += max(0, len(data) - 10)
            data = data[-10:]
    return size


def _title_of(head: bytes) -> str:
    found = re.search(rb"<title>([^<]*)", head)
    return unescape(found[1].decode(errors="replace")) if found else "?"


def parse_page(element: bytes) -> Page | Dropped:
    """Return a page from its element; the last of its revisions counts."""
    fields: dict[bytes, tuple[bytes, bytes]] = {}
    for name, attributes, value in islice(FIELD.findall(element), 10_000):
        if name == b"timestamp" or name == b"model" or name not in fields:
            fields[name] = (attributes, value)
    texts = TEXT.findall(element)
    title = _title_of(element)
    if not element.endswith(END) or b"title" not in fields or not texts:
        return Dropped(reason="unreadable_record", id=title, text=element[:2000].decode(errors="replace"))
    attributes, raw, _ = texts[-1]
    if b'deleted="deleted"' in attributes:
        return Dropped(reason="deleted", id=title)
    try:
        text = unescape(raw.decode())
    except UnicodeDecodeError:
        return Dropped(reason="not_text", id=title, text=raw[:2000].decode(errors="replace"))
    namespace = fields.get(b"ns", (b"", b"0"))[1]
    return Page(
        id=fields.get(b"id", (b"", b""))[1].decode(errors="replace"),
        title=title,
        namespace=int(namespace) if namespace.lstrip(b"-").isdigit() else 0,
        is_redirect=b"redirect" in fields,
        model=fields.get(b"model", (b"", b"wikitext"))[1].decode(errors="replace"),
        date=fields.get(b"timestamp", (b"", b""))[1].decode(errors="replace"),
        text=text,
    )
