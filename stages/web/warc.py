"""Reads a WARC or WET file to its end, whatever is in it: pages, and for all else the reason why it is not a page.

Readers in use stop at the first damaged gzip member, and deliver a record cut by the end of the file as if it were
whole. Here a damaged member costs itself only. One record is in memory at a time, and no more of it than a page may
have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stages.web.encoding import undo_content_encoding
from stages.web.members import RECORD, CutError, DamagedError, Parts, Stream

HTML_TYPES = ("", "text/html", "application/xhtml+xml")
PLAIN_TYPES = ("", "text/plain")
BINARY = re.compile(
    rb"\s*(%PDF|%!PS|\{\\rtf|PK\x03\x04|\x1f\x8b|\xd0\xcf\x11\xe0|\x7fELF"  # documents, archives, programs
    rb"|\x89PNG|GIF8|\xff\xd8\xff|RIFF|BM.{4}\0|ID3|OggS)",  # pictures, sound
    re.DOTALL,
)
"""How files begin that are served as HTML but are not."""
VERSION = re.compile(rb"WARC/\d\.\d+[ \t]*\r?\n")
VERSION_CHARS = 32
"""More than the longest of these, and than what ends a record."""
HTTP = b"HTTP/"
VISIBLE = re.compile(rb"[^\0 \t\r\n]")
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
STATUS = re.compile(HTTP + rb"\d(?:\.\d)?[ \t]+(\d{3})")
CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
MAX_HEAD = 1 << 16
"""Largest WARC or HTTP header."""
MAX_DIGITS = 18
"""Digits of a length that is believed."""
MAX_SKIP = 1 << 28
"""Content of one member that is inflated only to be passed over; beyond it the next member is looked for instead."""


@dataclass(frozen=True, slots=True)
class Page:
    """A response that may be HTML, or the text that a crawl has made of one."""

    id: str
    url: str
    body: bytes
    charset: str
    """What the HTTP header says, or empty."""
    is_plain: bool = False
    """True for a `conversion` record (WET): plain text in UTF-8."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A page that could not be read, and why."""

    reason: str
    id: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """A record that is no page: warcinfo, request, metadata ..."""

    record_type: str


def read_warc(stream: Stream, name: str, max_bytes: int) -> Iterator[Page | Loss | Other]:
    """Yield what a file holds, in order; pages whose body is larger than `max_bytes` are losses.

    A file without a single record is one loss, `unreadable_file`, with the file's name as its id.
    """
    parts = Parts(stream)
    if not parts.start():
        yield Loss("unreadable_file", id=name)
        return
    if parts.passed:
        yield Loss("damaged_record")
    yield from _Records(parts, max_bytes)


class _Records:
    """Cuts content into records. `_text[_at:]` is content that was inflated but not used yet."""

    def __init__(self, parts: Parts, max_bytes: int) -> None:
        self._parts, self._max_bytes = parts, max_bytes
        self._text, self._at = b"", 0
        self._next: bytes | DamagedError | None = None
        """What was found in the part after the one that _text is from, if that was looked into already."""
        self._left = 0
        """Bytes of the last record that are still to be passed over."""
        self._id = self._url = ""
        self._is_told = False
        """Whether the last record is a loss already, so that what follows from its damage is no further one."""
        self._items: list[Page | Loss | Other] = []

    def __iter__(self) -> Iterator[Page | Loss | Other]:
        has_more = True
        while has_more:
            try:
                has_more = self._step()
            except DamagedError as error:
                self._text, self._at, self._next, self._left = b"", 0, None, 0
                has_more = self._parts.seek_record()
                self._lose("truncated_record" if isinstance(error, CutError) and not has_more else "damaged_record")
                self._is_told = False
            items, self._items = self._items, []
            yield from items

    def _lose(self, reason: str) -> None:
        if not self._is_told:
            self._items.append(Loss(reason, self._id, self._url))
        self._is_told = True

    def _step(self) -> bool:
        """Read the next record, and count what was lost on the way to it; return whether there may be more."""
        if not self._pass_over():
            self._lose("truncated_record")
        self._id = self._url = ""
        if not self._seek_version():
            return False
        self._is_told = False
        item = self._record()
        self._is_told = isinstance(item, Loss)
        self._items.append(item)
        return True

    def _record(self) -> Page | Loss | Other:
        head = self._head()
        if head is None:
            have = len(self._text) - self._at
            self._at += min(have, MAX_HEAD // 2)  # no header of up to half that size begins there
            return Loss("truncated_record" if have < MAX_HEAD else "damaged_record")
        self._id = _value(head, b"warc-record-id").strip("<>").removeprefix("urn:uuid:")
        self._url = _value(head, b"warc-target-uri").strip("<>")
        kind = _value(head, b"warc-type").lower()
        size = head.get(b"content-length", b"")
        length = int(size) if size.isdigit() and len(size) <= MAX_DIGITS else 0
        is_page = kind in ("response", "conversion")
        limit = self._max_bytes + MAX_HEAD if is_page else MAX_HEAD
        wanted = length if length <= limit else MAX_HEAD
        block = self._take(wanted)
        if len(block) < wanted and (kind != "response" or HTTP.startswith(block[: len(HTTP)])):
            return self._loss("truncated_record")
        self._left = length - wanted
        if not self._left and not self._is_at_end():
            block = self._take_to_version(block)
        if kind == "response":
            return self._response(block)
        return self._conversion(head, block) if kind == "conversion" else Other(kind or "unknown")

    def _response(self, block: memoryview) -> Page | Loss:
        status = STATUS.match(block)
        if status is None:
            return self._loss("no_http_response")
        blank = BLANK_LINE.search(block, 0, MAX_HEAD)
        end = blank.end() if blank else len(block)
        if self._left or len(block) - end > self._max_bytes:
            return self._loss("too_large")
        if not self._url:
            return self._loss("no_url")
        if status[1] != b"200":
            return self._loss("http_status")
        head = fields(bytes(block[:end]))
        encodings = _value(head, b"content-encoding"), _value(head, b"transfer-encoding")
        body = undo_content_encoding(bytes(block[end:]), *encodings, self._max_bytes + 1)
        if len(body) > self._max_bytes:
            return self._loss("too_large")
        content_type = _value(head, b"content-type")
        if reason := _not_a_page(body, content_type, HTML_TYPES, "not_html"):
            return self._loss(reason)
        charset = CHARSET.search(content_type)
        return Page(self._id, self._url, body, charset[1] if charset else "")

    def _conversion(self, head: Mapping[bytes, bytes], block: memoryview) -> Page | Loss:
        if self._left or len(block) > self._max_bytes:
            return self._loss("too_large")
        if not self._url:
            return self._loss("no_url")
        body = bytes(block)
        if reason := _not_a_page(body, _value(head, b"content-type"), PLAIN_TYPES, "not_plain_text"):
            return self._loss(reason)
        return Page(self._id, self._url, body, "utf-8", is_plain=True)

    def _loss(self, reason: str) -> Loss:
        return Loss(reason, self._id, self._url)

    def _head(self) -> dict[bytes, bytes] | None:
        """Return the record's header and go behind it; None if it does not end in time."""
        while not (blank := BLANK_LINE.search(self._text, self._at, self._at + MAX_HEAD)):
            have = len(self._text) - self._at
            if have >= MAX_HEAD or (self._look(have + 1) == have and not self._extend()):
                return None
        head = fields(self._text[self._at : blank.start()])
        self._at = blank.end()
        return head

    def _take(self, num_bytes: int) -> memoryview:
        """Return the next bytes of the record; fewer if content ends or another record begins before."""
        while self._look(num_bytes) < num_bytes and self._extend():
            pass
        data = memoryview(self._text)[self._at : self._at + num_bytes]
        self._at += len(data)
        return data

    def _take_to_version(self, block: memoryview) -> memoryview:
        """Return a record whose length is wrong: from `block`'s beginning to the next record or the part's end.

        cc_net's own sample has lengths in characters. One byte more than a page may have is as far as this looks.
        """
        if block.obj is self._text:
            self._at -= len(block)
        else:
            self._text, self._at = bytes(block) + self._text[self._at :], 0
        limit = self._max_bytes + MAX_HEAD + 1
        searched = 0
        while not (found := VERSION.search(self._text, self._at + searched, self._at + limit)):
            have = len(self._text) - self._at
            searched = max(0, have - VERSION_CHARS)
            if have >= limit or (self._look(have + 1) == have and not self._extend()):
                break
        size = found.start() - self._at if found else min(len(self._text) - self._at, limit)
        return memoryview(bytes(self._take(size)).rstrip(b"\r\n"))

    def _pass_over(self) -> bool:
        """Go behind what is left of the last record; False if content ends before it."""
        passed = 0
        while self._left:
            have = min(self._left, len(self._text) - self._at)
            self._at += have
            self._left -= have
            passed += have
            self._check_effort(passed)
            if self._left and not self._look(1) and not self._extend():
                self._left = 0
                return False
        return True

    def _is_at_end(self) -> bool:
        """Return whether here is what ends a record. Looks so far that a member's checksum is seen."""
        self._look(VERSION_CHARS)
        rest = self._text[self._at : self._at + VERSION_CHARS]
        return bool(not rest.strip(b"\r\n") or BLANK_LINE.match(rest) or VERSION.match(rest.lstrip(b"\r\n")))

    def _seek_version(self) -> bool:
        """Go to the next line that begins a record; False at the end of the file."""
        searched = 0
        while True:
            if not self._look(VERSION_CHARS):
                if not self._next_part():
                    return False
                continue
            if VERSION.match(self._text, self._at):
                return True
            if self._text[self._at] in b"\r\n":
                self._at += 1
                continue
            self._lose("damaged_record")
            found = VERSION.search(self._text, self._at)
            place = found.start() if found else max(self._at + 1, len(self._text) - VERSION_CHARS + 1)
            searched += place - self._at
            self._at = place
            self._check_effort(searched)

    def _check_effort(self, num_bytes: int) -> None:
        if num_bytes > MAX_SKIP and not self._parts.is_plain:
            raise DamagedError

    def _look(self, wanted: int) -> int:
        """Inflate until `wanted` bytes of the present part lie ahead or it ends; return how many lie ahead."""
        have = len(self._text) - self._at
        if have >= wanted or self._next is not None:
            return have
        pieces = [self._text[self._at :]] if have else []
        while have < wanted and (piece := self._parts.more()):
            pieces.append(piece)
            have += len(piece)
        self._text, self._at = b"".join(pieces), 0  # of one piece, join makes no copy
        return have

    def _extend(self) -> bool:
        """Add to the content that of the next part; False if there is none, or it begins a record of its own."""
        if self._next is not None:
            return False
        try:
            if not self._parts.next():
                return False
            piece = self._parts.more()
        except DamagedError as error:
            self._next = error
            return False
        if piece.lstrip(b"\r\n").startswith(RECORD):
            self._next = piece
            return False
        self._text, self._at = self._text[self._at :] + piece, 0
        return True

    def _next_part(self) -> bool:
        """Go to the next part, which owes nothing to the last one; False at the end of the file."""
        self._is_told = False
        self._id = self._url = ""
        found, self._next = self._next, None
        if isinstance(found, DamagedError):
            raise found
        if found is None:
            if not self._parts.next():
                return False
            found = self._parts.more()
        self._text, self._at = found, 0
        return True


def fields(head: bytes) -> dict[bytes, bytes]:
    """Return a header's fields by lower-case name, the first of each; its first line is passed over."""
    found: dict[bytes, bytes] = {}
    for line in head.split(b"\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def _value(head: Mapping[bytes, bytes], name: bytes) -> str:
    return head.get(name, b"").decode("utf-8", errors="replace")


def _not_a_page(body: bytes, content_type: str, types: tuple[str, ...], reason: str) -> str | None:
    if not VISIBLE.search(body):
        return "empty_body"
    if content_type.partition(";")[0].strip().lower() not in types or BINARY.match(body):
        return reason
    return None
