"""Encodings of a response: undoes compression and chunks, then finds the charset.

A reader that gives up at the first bad byte loses good pages; a reader that then falls back to cp1252 garbles them.
"""

from __future__ import annotations

import codecs
import re
import zlib

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)
META_WINDOW = 4096
"""Bytes from the beginning in which a page may declare its charset (HTML demands 1,024)."""
BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""A mark of UTF-32 comes before the mark of UTF-16 that it begins with."""
MAX_BAD_SHARE = 0.1
"""Largest ratio of bad bytes to good multi-byte characters of a page that counts as UTF-8."""
MAX_BAD_ALONE = 3
"""Most bad bytes of a page that counts as UTF-8 without good multi-byte characters and without a declaration."""
MAX_WRONG_SHARE = 0.01
"""Largest share of bad bytes in a declared charset; beyond it the declaration is ignored."""
CONTROL = bytes([*range(0x01, 0x09), *range(0x0E, 0x1B), *range(0x1C, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)])
"""Characters below 256 that no text has. Above, U+FFFD is the only one."""
MAX_CONTROL_SHARE = 0.05
CONTROL_WINDOW = 20_000


def undo_content_encoding(body: bytes, content: str | None, transfer: str | None, max_bytes: int) -> bytes:
    """Return the body without chunks and compression, cut at `max_bytes`.

    A body that does not match its header is returned as it is: Common Crawl keeps the header and stores plain bodies.
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
    chunks: list[bytes] = []
    position = 0
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
    """Return a page's text and the source of its charset: bom, utf-8, replaced, header, meta or detected.

    UTF-8 is tried before the charset of header and meta: text is practically never valid UTF-8 by accident.
    """
    text, how = _decode(body, header_charset)
    has_zero = b"\0" in body  # faster than searching the text
    return text.replace("\0", "") if has_zero else text, how


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
    return body.decode(_codec(detect_encoding(body) or "") or "cp1252", errors="replace"), "detected"


def _is_mostly_utf8(replaced: str, is_declared_otherwise: bool) -> bool:
    bad = replaced.count("\ufffd")
    good = len(replaced) - len(replaced.encode("ascii", errors="ignore")) - bad
    return bad <= good * MAX_BAD_SHARE or (good == 0 and not is_declared_otherwise and bad <= MAX_BAD_ALONE)


def _codec(name: str) -> str | None:
    """Return Python's codec for a charset as browsers read it (latin-1 is cp1252), or None if it has none."""
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
    """Return whether a decoded page is text: binary data has control characters."""
    window = text[:CONTROL_WINDOW]
    low = window.encode("latin-1", errors="replace")
    controls = len(low) - len(low.translate(None, CONTROL)) + window.count("\ufffd")
    return controls <= len(window) * MAX_CONTROL_SHARE
