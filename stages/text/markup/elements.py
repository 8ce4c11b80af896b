"""Elements of a large XML file as bytes, found by their marks alone: no entity is expanded, no tree is made.

In the text of XML `<` is always escaped, so that the marks of an element cannot occur in its content. A damaged element
costs itself, and an element that is too large is skipped as it streams.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ENTITY = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));")
NAMED = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}
"""The last one makes marks that must not be read again."""
SHOWN = 2000
"""Bytes of a broken element that are kept for reading."""
WIDE = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class TooLarge:
    """Stands for an element that is larger than the limit."""

    head: bytes
    """Its first bytes."""


@dataclass(slots=True)
class Around:
    """Receives what stands before the first element and after the last one."""

    head: bytes = b""
    tail: bytes = b""


def elements(
    chunks: Iterable[bytes], start: bytes, end: bytes, limit: int, around: Around | None = None
) -> Iterator[bytes | TooLarge]:
    """Yield the bytes of each element from its mark `start` to its mark `end`, both included.

    Where the file ends inside an element, or a new one starts before the end of the last, the broken one is yielded
    without its end. Memory: `limit` bytes and a chunk. Files in UTF-16 are read as UTF-8.
    """
    around = around or Around()
    data = b""
    is_inside = False
    found = None
    for chunk in as_utf8(chunks):
        data += chunk
        at = 0
        while (first := data.find(start, at)) >= 0:
            if found is None and not is_inside:
                around.head = data[:first]
            is_inside = True
            at = first
            last = data.find(end, first)
            following = data.find(start, first + len(start), last if last >= 0 else len(data))
            if following >= 0:
                last, stop = following, following
            elif last >= 0:
                stop = last + len(end)
            else:
                break
            found = data[first:stop] if stop - first <= limit else TooLarge(data[first : first + SHOWN])
            yield found
            is_inside, at = False, stop
        data = data[at:]
        if len(data) > limit:
            if is_inside:
                found = TooLarge(data[:SHOWN])
                yield found
            is_inside, data = False, data[-len(start) :]
    if is_inside:
        yield data
        data = b""
    around.tail = data


def as_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same text in UTF-8: as it is, unless the first bytes say that it is UTF-16."""
    decoder: codecs.IncrementalDecoder | None = None
    for number, chunk in enumerate(chunks):
        if number == 0 and (wide := WIDE.get(chunk[:2])):
            decoder = codecs.getincrementaldecoder(wide)(errors="replace")
        yield chunk if decoder is None else decoder.decode(chunk).encode("utf-8", "replace")


def unescape(text: str) -> str:
    """Return a text with XML's five entities and its numbers resolved; other entities stay as they are."""
    if "&" not in text:
        return text
    plain = text.replace("&#xA;", "\n").replace("&#10;", "\n")
    if "&#" in plain:  # a number may stand for "&" itself, so that one pass must see them all
        return ENTITY.sub(_character, text)
    for name, character in NAMED.items():
        plain = plain.replace(f"&{name};", character)
    return plain


def _character(found: re.Match[str]) -> str:
    name, decimal, hexadecimal = found.groups()
    if name:
        return NAMED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    is_character = code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF and code not in (0, 0xFFFE, 0xFFFF)
    return chr(code) if is_character else "\ufffd"
