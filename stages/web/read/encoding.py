"""Charset of a response: decodes a page as browsers do (WHATWG Encoding, and HTML section 13.2.3), with two departures.

UTF-8 is tried before the charset of header and markup: text is practically never valid UTF-8 by accident. A declared
charset that does not fit the bytes gives way to the next one: a reader that gives up at the first bad byte loses good
pages, and one that then falls back to cp1252 garbles them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

WINDOW = 4096
"""Bytes from the beginning in which a page may declare its charset (HTML demands 1,024)."""
QUOTED = rb"""(?:[^>"']|"[^"]*"|'[^']*')*"""
MARKUP = re.compile(
    rb"<!--.*?(?:-->|\Z)"
    rb"|<(?P<raw>script|style)\b" + QUOTED + rb">.*?(?:</(?P=raw)|\Z)"
    rb"|<meta(?=[\s/])(?P<meta>" + QUOTED + rb")>?"
    rb"|</?[a-z]" + QUOTED + rb">",
    re.IGNORECASE | re.DOTALL,
)
"""Parts of markup in which a charset may be written: only `meta` declares one."""
ATTRIBUTE = re.compile(rb"""([^\s=/>"']+)\s*=\s*("[^"]*"|'[^']*'|[^\s>"']+)""")
CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
XML = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']\s*([\w.:-]+)""", re.IGNORECASE)
BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""A mark of UTF-32 comes before the mark of UTF-16 that it begins with."""
SUPERSETS = {
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
    "iso2022_jp": "iso2022_jp_ext",
}
"""Python's codecs for charsets that browsers read with more characters than their names say."""
SEVEN_BIT = {"iso2022_jp_ext": b"\x1b$", "iso2022_kr": b"\x1b$", "hz": b"~{"}
"""Codecs whose text is ASCII, and so valid UTF-8, to the eye; each with the mark that it has and ASCII text has not."""
NO_CHARSETS = ("unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined", "utf-7")
"""Python's codecs that are no charsets of the web, or not safe to follow."""
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


def decode(body: bytes, header_charset: str) -> tuple[str, str]:
    """Return a page's text and the source of its charset: bom, utf-8, replaced, header, meta, xml or detected."""
    text, how = _decode(body, header_charset)
    has_zero = b"\0" in body  # faster than searching the text
    return text.replace("\0", "") if has_zero else text, how


def _decode(body: bytes, header_charset: str) -> tuple[str, str]:
    for bom, name in BOMS:
        if body.startswith(bom):
            return body[len(codecs.BOM_UTF8) if name == "utf-8" else 0 :].decode(name, errors="replace"), "bom"
    return _decode_unmarked(body, header_charset)


def _decode_unmarked(body: bytes, header_charset: str) -> tuple[str, str]:
    is_seven_bit = (b"\x1b$" in body or b"~{" in body) and body.isascii()
    is_wide = b"\0" in body[:WINDOW]
    if not (is_seven_bit or is_wide):
        try:
            return body.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            pass
    declared = [*_declared(body, header_charset)]
    if is_seven_bit:
        return _seven_bit(body, declared) or (body.decode("utf-8"), "utf-8")
    if not (is_wide and any(codec.startswith(("utf-16", "utf-32")) for codec, _ in declared)):
        text = body.decode("utf-8", errors="replace")
        bad = text.count("\ufffd") - body.count(b"\xef\xbf\xbd")
        if not bad:
            return text, "utf-8"
        if _is_mostly_utf8(text, bad, is_declared_otherwise=any(codec != "utf-8" for codec, _ in declared)):
            return text, "replaced"
    for codec, how in declared:
        if (found := _decode_as(body, codec)) is not None:
            return found, how
    return body.decode(_codec(detect_encoding(body) or "") or "cp1252", errors="replace"), "detected"


def _declared(body: bytes, header_charset: str) -> Iterator[tuple[str, str]]:
    """Yield the codecs of the charsets that are declared and known, each with the place of its declaration."""
    xml = XML.match(body, 0, WINDOW)
    names = [(header_charset, "header"), *((name, "meta") for name in _meta_charsets(body[:WINDOW]))]
    names.append((xml[1].decode("ascii", errors="replace") if xml else "", "xml"))
    for name, how in names:
        if name and (codec := _codec(name)):
            yield codec, how


def _meta_charsets(head: bytes) -> Iterator[str]:
    """Yield the charsets of `meta` elements, without those in comments, scripts and other elements' attributes."""
    for part in MARKUP.finditer(head):
        if part["meta"] is None:
            continue
        found = {name.lower(): value.strip(b"\"'").decode("latin-1") for name, value in ATTRIBUTE.findall(part["meta"])}
        is_content_type = found.get(b"http-equiv", "").strip().lower() == "content-type"
        content = CHARSET.search(found.get(b"content", "")) if is_content_type else None
        if name := found.get(b"charset", "").strip() or (content[1] if content else ""):
            yield "utf-8" if name.lower().startswith("utf-16") and b"\0" not in head else name


def _seven_bit(body: bytes, declared: list[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the text of a declared seven-bit charset, else of ISO-2022-JP if all bytes fit; None if neither is it."""
    for codec, how in declared:
        if SEVEN_BIT.get(codec, b"\0") in body and (text := _decode_as(body, codec)) is not None:
            return text, how
    try:
        return (body.decode("iso2022_jp_ext"), "detected") if b"\x1b$" in body else None
    except UnicodeDecodeError:
        return None


def _is_mostly_utf8(replaced: str, bad: int, is_declared_otherwise: bool) -> bool:
    good = len(replaced) - len(replaced.encode("ascii", errors="ignore")) - bad
    return bad <= good * MAX_BAD_SHARE or (good == 0 and not is_declared_otherwise and bad <= MAX_BAD_ALONE)


def _codec(name: str) -> str | None:
    """Return Python's codec for a charset as browsers read it (latin-1 is cp1252), or None if it has none."""
    try:
        found = codecs.lookup(map_encoding_to_html5(name, fallback_utf8=False) or name)
    except (LookupError, ValueError, TypeError):
        return None
    is_charset = found._is_text_encoding and found.name not in NO_CHARSETS
    return SUPERSETS.get(found.name, found.name) if is_charset else None


def _decode_as(body: bytes, codec: str) -> str | None:
    if codec == "utf-8":  # UTF-8 was tried before
        return None
    text = body.decode(codec, errors="replace")
    return text if text.count("\ufffd") <= len(body) * MAX_WRONG_SHARE else None


def is_text(text: str) -> bool:
    """Return whether a decoded page is text: binary data has control characters."""
    window = text[:CONTROL_WINDOW]
    low = window.encode("latin-1", errors="replace")
    controls = len(low) - len(low.translate(None, CONTROL)) + window.count("\ufffd")
    return controls <= len(window) * MAX_CONTROL_SHARE
