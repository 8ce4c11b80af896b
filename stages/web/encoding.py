"""From the bytes of a response to text: undo the transfer's encoding, then find the character set.

A reader that gives up at the first bad byte loses good pages; one that then falls to cp1252 garbles them.
"""

from __future__ import annotations

import codecs
import re
import zlib

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)
META_WINDOW = 4096
"""Bytes from the beginning in which a page may declare its character set (HTML asks for 1,024)."""
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"))
BOMS += ((codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_BE, "utf-16"))
MAX_BAD_SHARE = 0.1
"""Bad bytes against good multi-byte characters up to which a page counts as UTF-8."""
MAX_BAD_ALONE = 3
"""Bad bytes up to which a page without any good multi-byte character, and not declared otherwise, counts as UTF-8."""
MAX_WRONG_SHARE = 0.01
"""Bad bytes in a declared character set, of all bytes, beyond which the declaration is not believed."""
CONTROL = bytes([*range(0x01, 0x09), *range(0x0E, 0x1B), *range(0x1C, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)])
"""Characters below 256 that no text has; of those above, U+FFFD."""
MAX_CONTROL_SHARE = 0.05
CONTROL_WINDOW = 20_000


def undo_content_encoding(body: bytes, content: str | None, transfer: str | None, max_bytes: int) -> bytes:
    """Return the body without chunks and compression, cut at `max_bytes`; crawlers differ in what they store.

    A body that is not what its header says is returned as it is: Common Crawl keeps the header and stores plain bodies.
    """
    if transfer and "chunked" in transfer.lower():
        body = _join_chunks(body)
    if content and any(name in content.lower() for name in ("gzip", "deflate")):
        for wbits in (47, -15):  # gzip or zlib by its header, then raw deflate
            try:
                return zlib.decompressobj(wbits=wbits).decompress(body, max_bytes)
            except zlib.error:
                continue
    return body


def _join_chunks(body: bytes) -> bytes:
    chunks, position = [], 0
    while True:
        line_end = body.find(b"\r\n", position)
        try:
            size = int(body[position:line_end].partition(b";")[0], 16)
        except ValueError:
            return b"".join(chunks) or body
        if size <= 0 or line_end < 0:
            return b"".join(chunks)
        chunks.append(body[line_end + 2 : line_end + 2 + size])
        position = line_end + 2 + size + 2


def decode(body: bytes, header_charset: str) -> tuple[str, str]:
    """Return a page's text and how it was found: bom, utf-8, replaced, header, meta or detected.

    UTF-8 comes before what header and meta say: text that is valid UTF-8 by accident is as good as unknown.
    """
    text, how = _decode(body, header_charset)
    return (text.replace("\0", "") if b"\0" in body else text), how  # a search in the text would take longer


def _decode(body: bytes, header_charset: str) -> tuple[str, str]:
    for bom, name in BOMS:
        if body.startswith(bom):
            return body[len(codecs.BOM_UTF8) if name == "utf-8" else 0 :].decode(name, errors="replace"), "bom"
    meta = META.search(body, 0, META_WINDOW)
    declared = [(header_charset, "header"), (meta.group(1).decode("ascii") if meta else "", "meta")]
    wide = [name for name, _ in declared if name.lower().startswith(("utf-16", "utf-32"))]
    if not (wide and b"\0" in body[:META_WINDOW]):
        try:
            return body.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            replaced = body.decode("utf-8", errors="replace")
        others = [name for name, _ in declared if name and not name.lower().replace("-", "").startswith("utf8")]
        if _is_mostly_utf8(replaced, is_declared_otherwise=bool(others)):
            return replaced, "replaced"
    for name, how in declared:
        if (text := _decode_as(body, name)) is not None:
            return text, how
    return body.decode(_codec(detect_encoding(body)) or "cp1252", errors="replace"), "detected"


def _is_mostly_utf8(replaced: str, is_declared_otherwise: bool) -> bool:
    bad = replaced.count("\ufffd")
    good = len(replaced) - len(replaced.encode("ascii", errors="ignore")) - bad
    return bad <= good * MAX_BAD_SHARE or (good == 0 and not is_declared_otherwise and bad <= MAX_BAD_ALONE)


def _codec(name: str) -> str | None:
    """Return Python's name for a character set as browsers read it (latin-1 is cp1252), or None if it has none."""
    try:
        return codecs.lookup(map_encoding_to_html5(name, fallback_utf8=False) or name).name
    except (LookupError, ValueError, TypeError):
        return None


def _decode_as(body: bytes, name: str) -> str | None:
    codec = _codec(name) if name else None
    if codec is None or codec == "utf-8":  # UTF-8 was tried before
        return None
    text = body.decode(codec, errors="replace")
    return text if text.count("\ufffd") <= len(body) * MAX_WRONG_SHARE else None


def is_text(text: str) -> bool:
    """Return whether a decoded page reads as text: binary data leaves control characters behind."""
    window = text[:CONTROL_WINDOW]
    low = window.encode("latin-1", errors="replace")
    controls = len(low) - len(low.translate(None, CONTROL)) + window.count("\ufffd")
    return controls <= len(window) * MAX_CONTROL_SHARE
