"""Writes WARC/1.0 records, one gzip member each, with the same bytes on every machine.

The members are stored, not deflated: compressors differ between versions of zlib, stored blocks do not.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from dataclasses import dataclass

from stages.sample.draw import digest

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no name, no time, unknown system."""
MAX_BLOCK = 0xFFFF


@dataclass(frozen=True)
class Response:
    """The response of a server, with its date."""

    id: str
    url: str
    """Empty: the record has no WARC-Target-URI."""
    date: str
    status: str
    content_type: str
    body: bytes


def record_id(*parts: object) -> str:
    """Return a UUID that depends on the parts alone."""
    raw = bytearray(digest("record", *parts)[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80  # version 4, variant 1
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def response_record(response: Response) -> bytes:
    """Return the record of a response, uncompressed."""
    http = (
        f"HTTP/1.1 {response.status}\r\nServer: sample\r\nContent-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\nConnection: close\r\n\r\n"
    ).encode() + response.body
    headers = {
        "WARC-Type": "response",
        "WARC-Record-ID": f"<urn:uuid:{response.id}>",
        "WARC-Date": response.date,
        "WARC-Target-URI": response.url,
        "WARC-IP-Address": "192.0.2.1",
        "WARC-Payload-Digest": _sha1(response.body),
        "WARC-Block-Digest": _sha1(http),
        "Content-Type": "application/http; msgtype=response",
    }
    return _record(headers, http)


def warcinfo_record(file_name: str, dump: str, date: str) -> bytes:
    """Return the record that opens a file, uncompressed."""
    block = (
        "software: Stagecoach sample web\r\nformat: WARC File Format 1.0\r\n"
        f"isPartOf: {dump}\r\ndescription: a fixture: generated pages of a closed world\r\n"
    ).encode()
    headers = {
        "WARC-Type": "warcinfo",
        "WARC-Record-ID": f"<urn:uuid:{record_id(file_name)}>",
        "WARC-Date": date,
        "WARC-Filename": file_name,
        "Content-Type": "application/warc-fields",
    }
    return _record(headers, block)


def _record(headers: dict[str, str], block: bytes) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    head = "\r\n".join(["WARC/1.0", *lines, f"Content-Length: {len(block)}", "", ""])
    return head.encode() + block + b"\r\n\r\n"


def _sha1(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


def gzip_member(data: bytes) -> bytes:
    """Return the data as one gzip member of stored blocks (RFC 1951, 3.2.4)."""
    parts = [GZIP_HEADER]
    for start in range(0, max(len(data), 1), MAX_BLOCK):
        block = data[start : start + MAX_BLOCK]
        is_last = start + MAX_BLOCK >= len(data)
        parts += [bytes([is_last]), struct.pack("<HH", len(block), len(block) ^ MAX_BLOCK), block]
    return b"".join([*parts, struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)])


def damage(member: bytes) -> bytes:
    """Return a member with one byte changed in its middle: it looks like a record, and its checksum fails."""
    middle = len(member) // 2
    return member[:middle] + bytes([member[middle] ^ 0xFF]) + member[middle + 1 :]
