"""Reads a WARC or WET file to its end, whatever it contains: pages, and the reason for each record that is not a page.

Other readers stop at the first damaged gzip member, and deliver a record cut by the end of the file as if it were
whole. Here a damaged member loses only itself. One record is in memory at a time, up to the largest size of a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stages.web.read.body_codings import DamagedBodyError, undo_codings
from stages.web.read.media_type import MediaType, media_type
from stages.web.read.parts import RECORD, CutError, DamagedError, Parts, Stream

HTML_TYPES = ("", "text/html", "application/xhtml+xml")
PLAIN_TYPES = ("", "text/plain")
BINARY = re.compile(
    rb"\s*(%PDF|%!PS|\{\\rtf|PK\x03\x04|\x1f\x8b|\xd0\xcf\x11\xe0|\x7fELF"  # documents, archives, programs
    rb"|\x89PNG|GIF8|\xff\xd8\xff|RIFF|BM.{4}\0|ID3|OggS)",  # pictures, sound
    re.DOTALL,
)
"""First bytes of files that are served as HTML but are something else."""
VERSION = re.compile(rb"WARC/\d\.\d+[ \t]*\r?\n")
NEXT_RECORD = re.compile(rb"(?<![^\n])" + VERSION.pattern + rb"(?=[A-Za-z])")
"""The same line, with a field behind it: the beginning of a record where none is expected."""
VERSION_CHARS = 32
"""More than the longest of these lines, and than the end of a record."""
HTTP = b"HTTP/"
VISIBLE = re.compile(rb"[^\0 \t\r\n]")
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
STATUS = re.compile(HTTP + rb"\d(?:\.\d)?[ \t]+(\d{3})")
FOLD = re.compile(rb"\r?\n[ \t]+")
UNREADABLE = "unreadable_file"
"""Reason of a file without a single record, which counts as one lost page."""
MAX_HEAD = 1 << 16
"""Largest WARC or HTTP header."""
MAX_DIGITS = 18
"""Most digits of a length that is believed."""
SKIPPED = 1 << 20
"""Bytes that are searched at once for a record within a record that is too large."""
MAX_HELD = 1 << 26
"""Bytes that are inflated to see whether a record ends where its length says."""
MAX_SKIP = 1 << 28
"""Content of one member that is inflated only to be skipped; beyond it the reader searches for the next member."""


@dataclass(frozen=True, slots=True)
class Page:
    """A response that may be HTML, or the text that a crawl has extracted from one."""

    id: str
    url: str
    body: bytes
    charset: str
    """Charset of the HTTP header, or empty."""
    is_plain: bool = False
    """True for a `conversion` record (WET): plain text in UTF-8."""


@dataclass(frozen=True, slots=True)
class LostPage:
    """A page that could not be read, with the reason."""

    reason: str
    id: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class OtherRecord:
    """A record that is not a page: warcinfo, request, metadata ..."""

    record_type: str


def read_warc(stream: Stream, name: str, max_bytes: int) -> Iterator[Page | LostPage | OtherRecord]:
    """Yield the records of a file in order; a page whose body is larger than `max_bytes` is lost.

    A file without a single record is one lost page, `unreadable_file`, with the file's name as its id.
    """
    parts = Parts(stream)
    if not parts.start():
        yield LostPage(UNREADABLE, id=name)
        return
    if parts.passed:
        yield LostPage("damaged_record")
    yield from _Records(parts, max_bytes)


class _Records:
    """Cuts content into records. `_text[_at:]` is inflated content that is not used yet."""

    def __init__(self, parts: Parts, max_bytes: int) -> None:
        self._parts, self._max_bytes = parts, max_bytes
        self._text, self._at = b"", 0
        self._next: bytes | DamagedError | None = None
        """First piece of the next part, or its damage, if it was read ahead."""
        self._left = 0
        """Bytes of the last record that are still to be skipped."""
        self._id = self._url = ""
        self._is_counted = False
        """Whether the last record is counted as lost already: its damage counts once."""
        self._items: list[Page | LostPage | OtherRecord] = []

    def __iter__(self) -> Iterator[Page | LostPage | OtherRecord]:
        has_more = True
        while has_more:
            try:
                has_more = self._step()
            except DamagedError as error:
                self._text, self._at, self._next, self._left = b"", 0, None, 0
                has_more = self._parts.seek_record()
                self._lose("truncated_record" if isinstance(error, CutError) and not has_more else "damaged_record")
                self._is_counted = False
            items, self._items = self._items, []
            yield from items

    def _lose(self, reason: str) -> None:
        if not self._is_counted:
            self._items.append(LostPage(reason, self._id, self._url))
        self._is_counted = True

    def _step(self) -> bool:
        """Read the next record, and count the pages lost before it; return whether there may be more."""
        if not self._skip_rest():
            self._lose("truncated_record")
        self._id = self._url = ""
        if not self._seek_version():
            return False
        self._is_counted = False
        item = self._record()
        self._is_counted = isinstance(item, LostPage)
        self._items.append(item)
        return True

    def _record(self) -> Page | LostPage | OtherRecord:
        head = self._head()
        if head is None:
            have = len(self._text) - self._at
            self._at += min(have, MAX_HEAD // 2)  # no header of up to half that size begins before
            return LostPage("truncated_record" if have < MAX_HEAD else "damaged_record")
        self._id = _value(head, b"warc-record-id").strip("<>").removeprefix("urn:uuid:")
        self._url = _value(head, b"warc-target-uri").strip("<>")
        kind = _value(head, b"warc-type").lower()
        size = head.get(b"content-length", b"")
        length = int(size) if size.isdigit() and len(size) <= MAX_DIGITS else 0
        is_page = kind in ("response", "conversion")
        limit = self._max_bytes + MAX_HEAD if is_page else MAX_HEAD
        wanted = length if length <= limit else MAX_HEAD
        block = self._take(wanted)
        if length > wanted == len(block):
            self._put_back(block)
            self._left = length
        elif len(block) < wanted or not self._is_at_end(self._at):
            has_next, block = self._take_to_next(block)
            if not has_next and len(block) < wanted and (kind != "response" or HTTP.startswith(block[: len(HTTP)])):
                return self._lost("truncated_record")
        if kind == "response":
            return self._response(block, _value(head, b"warc-identified-payload-type"))
        return self._conversion(head, block) if kind == "conversion" else OtherRecord(kind or "unknown")

    def _response(self, block: memoryview, identified: str) -> Page | LostPage:
        status = STATUS.match(block)
        if status is None:
            return self._lost("no_http_response")
        blank = BLANK_LINE.search(block, 0, MAX_HEAD)
        end = blank.end() if blank else len(block)
        if self._left or len(block) - end > self._max_bytes:
            return self._lost("too_large")
        if not self._url:
            return self._lost("no_url")
        if status[1] != b"200":
            return self._lost("http_status")
        head = joined_fields(bytes(block[:end]))
        codings = _value(head, b"content-encoding"), _value(head, b"transfer-encoding")
        try:
            body = undo_codings(bytes(block[end:]), *codings, self._max_bytes + 1)
        except DamagedBodyError:
            return self._lost("damaged_body")
        if len(body) > self._max_bytes:
            return self._lost("too_large")
        found = media_type(_value(head, b"content-type"), identified)
        if reason := _not_a_page(body, found, HTML_TYPES, "not_html"):
            return self._lost(reason)
        return Page(self._id, self._url, body, found.charset)

    def _conversion(self, head: Mapping[bytes, bytes], block: memoryview) -> Page | LostPage:
        if self._left or len(block) > self._max_bytes:
            return self._lost("too_large")
        if not self._url:
            return self._lost("no_url")
        body = bytes(block)
        if reason := _not_a_page(body, media_type(_value(head, b"content-type")), PLAIN_TYPES, "not_plain_text"):
            return self._lost(reason)
        return Page(self._id, self._url, body, "utf-8", is_plain=True)

    def _lost(self, reason: str) -> LostPage:
        return LostPage(reason, self._id, self._url)

    def _head(self) -> dict[bytes, bytes] | None:
        """Return the record's header and move past it; None if it does not end within MAX_HEAD."""
        while not (blank := BLANK_LINE.search(self._text, self._at, self._at + MAX_HEAD)):
            have = len(self._text) - self._at
            if have >= MAX_HEAD or (self._look(have + 1) == have and not self._extend()):
                return None
        head = fields(self._text[self._at : blank.start()])
        self._at = blank.end()
        return head

    def _take(self, num_bytes: int) -> memoryview:
        """Return the next bytes of the record; fewer if the content ends or another record begins."""
        while self._look(num_bytes) < num_bytes and self._extend():
            pass
        data = memoryview(self._text)[self._at : self._at + num_bytes]
        self._at += len(data)
        return data

    def _put_back(self, block: memoryview) -> None:
        """Undo `_take`."""
        if block.obj is self._text:
            self._at -= len(block)
        else:
            self._text, self._at = bytes(block) + self._text[self._at :], 0

    def _take_to_next(self, block: memoryview) -> tuple[bool, memoryview]:
        """Return a record whose length is wrong, and whether another one follows in this part.

        It goes from `block`'s beginning to the next record or the part's end. cc_net's own sample has lengths in
        characters. One byte more than a page may have is as far as this looks.
        """
        self._put_back(block)
        limit = self._max_bytes + MAX_HEAD + 1
        searched = 0
        while not (found := NEXT_RECORD.search(self._text, self._at + searched, self._at + limit)):
            have = len(self._text) - self._at
            searched = max(0, have - VERSION_CHARS)
            if have >= limit or (self._look(have + 1) == have and not self._extend()):
                break
        size = found.start() - self._at if found else min(len(self._text) - self._at, limit)
        return found is not None, memoryview(bytes(self._take(size)).rstrip(b"\r\n"))

    def _skip_rest(self) -> bool:
        """Skip the rest of the last record; False if the content ends before it.

        Stops at the next record, if the last one does not end where its length says.
        """
        passed = 0
        while self._left:
            wanted = min(self._left, SKIPPED)
            have = min(self._look(wanted), wanted)
            found = NEXT_RECORD.search(self._text, self._at, self._at + have)
            if found and not self._ends_as_said():
                self._at, self._left = found.start(), 0
                return True
            if have < wanted and not self._extend():
                self._at += have
                self._left = 0
                return False
            step = have if have == self._left else max(0, have - VERSION_CHARS)
            self._at += step
            self._left -= step
            passed += step
            self._check_effort(passed)
        return True

    def _ends_as_said(self) -> bool:
        """Return whether the rest of a record is followed by the end of one: an archive may be a page's body."""
        is_held = self._left <= MAX_HELD and self._look(self._left + VERSION_CHARS) >= self._left
        return is_held and self._is_at_end(self._at + self._left)

    def _is_at_end(self, place: int) -> bool:
        """Return whether a record ends there. Reads so far that a member's checksum is verified."""
        ahead = place - self._at
        self._look(ahead + VERSION_CHARS)
        rest = self._text[self._at + ahead : self._at + ahead + VERSION_CHARS]
        return bool(not rest.strip(b"\r\n") or BLANK_LINE.match(rest) or VERSION.match(rest.lstrip(b"\r\n")))

    def _seek_version(self) -> bool:
        """Move to the next line that begins a record; False at the end of the file."""
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
        """Inflate until `wanted` bytes of the present part lie ahead or it ends; return the number that do."""
        have = len(self._text) - self._at
        if have >= wanted or self._next is not None:
            return have
        pieces = [self._text[self._at :]] if have else []
        while have < wanted and (piece := self._parts.more()):
            pieces.append(piece)
            have += len(piece)
        self._text, self._at = b"".join(pieces), 0  # join does not copy a single piece
        return have

    def _extend(self) -> bool:
        """Append the content of the next part; False if there is none, or if it begins a record of its own."""
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
        self._is_counted = False
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
    """Return a header's fields by lower-case name, the first of each. The header's first line is skipped."""
    return dict(reversed(_field_lines(head)))


def joined_fields(head: bytes) -> dict[bytes, bytes]:
    """Return an HTTP header's fields by lower-case name; those of one name are joined by commas (RFC 9110, 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in _field_lines(head):
        found[name] = b"%b, %b" % (found[name], value) if name in found else value
    return found


def _field_lines(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return names in lower case, and values. A line that begins with a space continues the one before."""
    if b"\n " in head or b"\n\t" in head:
        head = FOLD.sub(b" ", head)
    parts = (line.partition(b":") for line in head.split(b"\n")[1:])
    return [(name.strip().lower(), value.strip()) for name, colon, value in parts if colon]


def _value(head: Mapping[bytes, bytes], name: bytes) -> str:
    return head.get(name, b"").decode("utf-8", errors="replace")


def _not_a_page(body: bytes, found: MediaType, types: tuple[str, ...], reason: str) -> str | None:
    if not VISIBLE.search(body):
        return "empty_body"
    if found.name not in types or BINARY.match(body):
        return reason
    return None
