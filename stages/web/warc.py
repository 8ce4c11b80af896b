"""Reads a WARC file to its end, whatever is in it: pages, and for all else the reason why it is not a page.

fastwarc stops at the first damaged gzip member, and delivers a record cut by the end of the file as if it were whole.
Here a damaged member costs itself only: reading goes on at the next `1f 8b 08` behind which there is a WARC record.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from stages.shared.errors import DataError
from stages.web.encoding import undo_content_encoding

GZIP = b"\x1f\x8b\x08"
HTML_TYPES = ("", "text/html", "application/xhtml+xml")
BINARY = re.compile(
    rb"\s*(%PDF|%!PS|\{\\rtf|PK\x03\x04|\x1f\x8b|\xd0\xcf\x11\xe0|\x7fELF"  # documents, archives, programs
    rb"|\x89PNG|GIF8|\xff\xd8\xff|RIFF|BM.{4}\0|ID3|OggS)",  # pictures, sound
    re.DOTALL,
)
"""How files begin that are served as HTML but are not."""
CUTS = ("damaged_record", "truncated_record")
"""Losses after which the reader no longer knows where the next record starts."""
MAY_BE_CUT = ("no_http_response", "empty_body")
"""What a record cut in its headers looks like."""
BLOCK = 1 << 20


@dataclass(frozen=True)
class Page:
    """A response that may be HTML."""

    id: str
    url: str
    body: bytes
    charset: str
    """What the HTTP header says, or empty."""


@dataclass(frozen=True)
class Loss:
    """A page that could not be read, and why."""

    reason: str
    id: str = ""
    url: str = ""


@dataclass(frozen=True)
class Other:
    """A record that is no page: warcinfo, request, metadata ..."""

    record_type: str


def read_warc(path: Path, max_bytes: int) -> Iterator[Page | Loss | Other]:
    """Yield what a WARC file holds, in order; pages whose body is larger than `max_bytes` are losses.

    Raises DataError if there is no such file. A file without a single record is one loss, `unreadable_file`.
    """
    if not path.is_file():
        raise DataError(path, "not a file", "Want a WARC file, compressed or not; check web.inputs")
    with path.open("rb") as file:
        position: int | None = 0
        num_records = 0
        while position is not None:
            file.seek(position)
            last: int | None = None
            try:
                for record in ArchiveIterator(file, record_types=WarcRecordType.any_type, auto_decode="none"):
                    last = record.stream_pos
                    num_records += 1
                    item = _read_record(record, max_bytes)
                    if isinstance(item, Loss) and item.reason in MAY_BE_CUT and _is_cut(file, last):
                        item = Loss("truncated_record", item.id, item.url)
                    yield item
                    if isinstance(item, Loss) and item.reason in CUTS:
                        break
                else:
                    if last is not None and _is_cut(file, last):
                        yield Loss("truncated_record")
                    break
                position = next_record(file, last + 1)
            except OSError as error:
                _raise_if_disk(error)
                end = position if last is None else _member_end(file, last)
                if last is not None and end > last and _holds_record(file, end):
                    position = end  # the last record misled the reader about its length: this one may be whole
                    continue
                position = next_record(file, end + 1)
                if num_records or position is not None:
                    yield Loss("damaged_record")
        if num_records == 0:
            yield Loss("unreadable_file", id=path.name)


def _raise_if_disk(error: OSError) -> None:
    """Let an error of the disk through; fastwarc's own complaints about the data have no errno."""
    if error.errno is not None:
        raise error


def _read_record(record: WarcRecord, max_bytes: int) -> Page | Loss | Other:
    if record.record_type != WarcRecordType.response:
        return Other(str(record.record_type).rpartition(".")[2])
    headers = record.headers
    name = (headers.get("WARC-Record-ID") or "").strip("<>").removeprefix("urn:uuid:")
    url = (headers.get("WARC-Target-URI") or "").strip("<>")
    http = record.http_headers
    expected = record.content_length
    try:
        body = record.reader.read(min(expected, max_bytes + 1)) if expected > 0 else b""
    except OSError as error:
        _raise_if_disk(error)
        return Loss("damaged_record", name, url)
    if http is None or http.status_code is None:
        return Loss("no_http_response", name, url)
    if len(body) > max_bytes:
        return Loss("too_large", name, url)
    if len(body) < expected:
        return Loss("truncated_record", name, url)
    if not url:
        return Loss("no_url", name)
    if http.status_code != 200:
        return Loss("http_status", name, url)
    body = undo_content_encoding(body, http.get("Content-Encoding"), http.get("Transfer-Encoding"), max_bytes + 1)
    if len(body) > max_bytes:
        return Loss("too_large", name, url)
    if reason := _not_a_page(body, record.http_content_type or ""):
        return Loss(reason, name, url)
    return Page(name, url, body, record.http_charset or "")


def _not_a_page(body: bytes, content_type: str) -> str | None:
    if not body.strip(b"\0 \t\r\n"):
        return "empty_body"
    if content_type.lower() not in HTML_TYPES or BINARY.match(body):
        return "not_html"
    return None


def next_record(file: BinaryIO, start: int) -> int | None:
    """Return the offset, from `start` on, of the next gzip member that holds a record, or of the next plain record.

    Plain records are looked for only in a file that does not start as gzip: in a stored (level 0) member the text of a
    record can be read too, but is no place to start reading.
    """
    file.seek(0)
    mark = b"WARC/1." if file.read(5) == b"WARC/" else GZIP
    file.seek(start)
    offset, window = start, b""
    while block := file.read(BLOCK):
        window += block
        found = window.find(mark)
        while found >= 0:
            if mark != GZIP or _holds_record(file, offset + found):
                return offset + found
            found = window.find(mark, found + 1)
        keep = len(mark) - 1
        offset += len(window) - keep
        window = window[-keep:]
        file.seek(offset + keep)
    return None


def _holds_record(file: BinaryIO, position: int) -> bool:
    file.seek(position)
    try:
        head = zlib.decompressobj(wbits=31).decompress(file.read(4096), 16)
    except zlib.error:
        return False
    return head.startswith(b"WARC/")


def _is_cut(file: BinaryIO, last: int) -> bool:
    """Return whether the gzip member at `last` has no end, or is followed by something that is no record.

    fastwarc ends in silence in both cases. False for plain files, and where records share a member. The file's position
    stays as it was.
    """
    position = file.tell()
    try:
        file.seek(last)
        if file.read(len(GZIP)) != GZIP:
            return False
        end = _member_end(file, last)
        if end == last or _holds_record(file, end):
            return end == last
        file.seek(end)
        return bool(file.read(BLOCK).strip(b"\0"))
    finally:
        file.seek(position)


def _member_end(file: BinaryIO, start: int) -> int:
    """Return where the gzip member at `start` ends; `start` itself if it is damaged or not gzip."""
    file.seek(start)
    inflate = zlib.decompressobj(wbits=31)
    position = start
    try:
        while block := file.read(BLOCK):
            pending = block
            while pending and not inflate.eof:  # bounded output: a member may inflate to a thousand times its size
                inflate.decompress(pending, BLOCK)
                pending = inflate.unconsumed_tail
            position += len(block) - len(inflate.unused_data)
            if inflate.eof:
                return position
    except zlib.error:
        return start
    return start
