"""Text of bytes in an unknown encoding."""

from __future__ import annotations

import codecs

from resiliparse.parse.encoding import bytes_to_str, detect_encoding

BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
CONTROLS = {code: None for code in range(32) if chr(code) not in "\n\t\f"} | {0x7F: None, 0xFEFF: None}


def decode(data: bytes) -> str | None:
    """Return the text of bytes with `\\n` as line break; None if they are no text.

    UTF-8 where it fits, else by a mark at the start, else a guess by the bytes: old texts are in Latin-1, CP1252, GBK.
    """
    encoding = next((name for bom, name in BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if b"\0" in data[:8000]:
            return None
        text = bytes_to_str(data, detect_encoding(data) or "latin-1", errors="replace")
    if "\0" in text[:8000]:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(CONTROLS)
