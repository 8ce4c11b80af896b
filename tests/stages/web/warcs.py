"""Makes small WARC files for the tests, and reads them back as a short list."""

from __future__ import annotations

import gzip
from pathlib import Path

from stages.shared.contract import InputFile
from stages.web.read.open_input import open_input
from stages.web.read.warc import LostPage, OtherRecord, Page, read_warc


def record(body: bytes, *, url: str = "http://a.example/", headers: str = "", length: int | None = None) -> bytes:
    """Return a response record; `length` lies about its Content-Length, `headers` go into the HTTP header."""
    http = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{headers}\r\n".encode() + body
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:1>\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        f"WARC-Target-URI: {url}\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(http) if length is None else length}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


def member(body: bytes, **options: object) -> bytes:
    """Return a response record as a deflated gzip member."""
    return gzip.compress(record(body, **options), mtime=0)  # type: ignore[arg-type]


def flip(data: bytes, place: int) -> bytes:
    """Return the data with one byte turned over."""
    changed = bytearray(data)
    changed[place] ^= 0xFF
    return bytes(changed)


def what_is_in(folder: Path, data: bytes, max_bytes: int = 1 << 20) -> list[str]:
    """Return, in order, the bodies of pages, and reasons and record types in brackets."""
    path = folder / "a file.warc.gz"
    path.write_bytes(data)
    return [brief(item) for item in read_file(path, max_bytes)]


def read_file(path: Path, max_bytes: int) -> list[Page | LostPage | OtherRecord]:
    with open_input(InputFile(path, "x")) as stream:
        return list(read_warc(stream, path.name, max_bytes))


def brief(item: Page | LostPage | OtherRecord) -> str:
    if isinstance(item, Page):
        return item.body[:20].decode("utf-8", errors="replace")
    return f"[{item.reason if isinstance(item, LostPage) else item.record_type}]"
