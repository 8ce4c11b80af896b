"""Questions with their answers from `Posts.xml` of Stack Exchange's dumps, as a stream, whatever the size.

Answers lie far behind their question. So the rows are divided on disk by the id of their question, until a part fits
into memory: two passes for the largest site. Threads come in the order of their ids.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from stages.text.markup.elements import Around, TooLarge, elements, unescape

ROW, END = b"<row ", b"/>"
ATTRIBUTE = re.compile(rb"([A-Za-z]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
QUESTION, ANSWER = b"1", b"2"
"""Values of PostTypeId; others are wikis, tags and moderators' posts."""
PART_BYTES = 24 << 20
"""Bytes of rows that are grouped in memory at once."""
SHIFTS = (20, 14, 8)
"""Bits of an id below those by which a level divides."""
MAX_PARTS = 256
"""Files that a level writes to at once."""
MAX_ID = 1 << 62


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer."""

    id: int
    score: int
    body: str
    """HTML."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A question with its answers."""

    id: int
    title: str
    body: str
    """HTML."""
    score: int
    date: str
    """ISO 8601; as in the dump."""
    accepted: int
    """Id of the answer that the asker accepted; 0 if none."""
    answers: tuple[Answer, ...]
    """In the order of their ids."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that gives no part of a thread."""

    reason: str
    id: str
    text: str


@dataclass
class Dump:
    """What was seen of a dump besides its threads."""

    around: Around = field(default_factory=Around)
    others: int = 0
    """Rows of wikis, tags and moderators."""

    @property
    def is_whole(self) -> bool:
        """Whether the last element of the file closes it."""
        return b"</posts>" in self.around.tail


def read_threads(
    chunks: Iterable[bytes], work: Path, limit: int, dump: Dump | None = None
) -> Iterator[Thread | BadRow]:
    """Yield rows that are no posts, then the threads in the order of their ids, and answers whose question is missing.

    `limit` is in bytes of a row. Side effect: a folder in `work`, as large as the posts, which is removed.
    """
    dump = dump or Dump()
    folder = work / "posts"
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    bad: list[BadRow] = []
    for _ in _divide(_rows(chunks, limit, dump, bad), folder, 0):
        yield from bad
        bad.clear()
    yield from bad
    yield from _grouped(folder, 0)
    shutil.rmtree(folder, ignore_errors=True)


def _rows(chunks: Iterable[bytes], limit: int, dump: Dump, bad: list[BadRow]) -> Iterator[tuple[int, bytes]]:
    """Yield each post with the id of its question."""
    for number, row in enumerate(elements(chunks, ROW, END, limit, dump.around), start=1):
        if isinstance(row, TooLarge):
            bad.append(BadRow("too_large", f"row {number}", row.head.decode(errors="replace")))
            continue
        values = dict(_attributes(row))
        kind = values.get(b"PostTypeId", b"")
        key = values.get(b"Id" if kind == QUESTION else b"ParentId", b"")
        if kind and kind not in (QUESTION, ANSWER):
            dump.others += 1
        elif not row.endswith(END) or not _is_post(values, kind) or not 0 <= _number(key) < MAX_ID:
            bad.append(BadRow("unreadable_record", f"row {number}", row[:2000].decode(errors="replace")))
        else:
            yield int(key), row


def _attributes(row: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((name, double or single) for name, double, single in ATTRIBUTE.findall(row))


def _is_post(values: dict[bytes, bytes], kind: bytes) -> bool:
    numbers = (b"Id",) if kind == QUESTION else (b"Id", b"Score")
    return b"Body" in values and kind != b"" and all(_number(values.get(name, b"")) > -MAX_ID for name in numbers)


def _number(value: bytes) -> int:
    try:
        return int(value) if len(value) < 20 else -MAX_ID
    except ValueError:
        return -MAX_ID


def _divide(rows: Iterable[tuple[int, bytes]], folder: Path, level: int) -> Iterator[None]:
    """Write rows to a file for each range of ids. Yields after each, so that the caller can look at what was bad."""
    folder.mkdir(parents=True)
    files: dict[int, BinaryIO] = {}
    try:
        for key, row in rows:
            part = min(key >> SHIFTS[level], MAX_PARTS - 1) if level == 0 else (key >> SHIFTS[level]) % 64
            file = files.get(part)
            if file is None:
                file = files[part] = (folder / f"{part:05d}").open("wb")
            file.write(b"%d %s\n" % (key, row.replace(b"\n", b"&#10;") if b"\n" in row else row))
            yield
    finally:
        for file in files.values():
            file.close()


def _grouped(folder: Path, level: int) -> Iterator[Thread | BadRow]:
    for path in sorted(folder.iterdir()):
        if path.stat().st_size > PART_BYTES and level + 1 < len(SHIFTS):
            below = folder / f"{path.name}-parts"
            for _ in _divide(_stored(path), below, level + 1):
                pass
            path.unlink()
            yield from _grouped(below, level + 1)
            shutil.rmtree(below)
        else:
            yield from _threads(_stored(path))
            path.unlink()


def _stored(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for line in file:
            key, _, row = line.rstrip(b"\n").partition(b" ")
            yield int(key), row


def _threads(rows: Iterable[tuple[int, bytes]]) -> Iterator[Thread | BadRow]:
    """Group the rows of a part."""
    questions: dict[int, dict[bytes, bytes]] = {}
    answers: dict[int, list[dict[bytes, bytes]]] = {}
    for key, row in rows:
        values = dict(_attributes(row))
        if values[b"PostTypeId"] == QUESTION:
            questions[key] = values
        else:
            answers.setdefault(key, []).append(values)
    for key in sorted(questions.keys() | answers.keys()):
        given = sorted(answers.get(key, ()), key=lambda values: int(values[b"Id"]))
        if key in questions:
            yield _thread(key, questions[key], given)
        else:
            for values in given:
                yield BadRow("answer_without_question", values[b"Id"].decode(), _text(values, b"Body"))


def _thread(key: int, values: dict[bytes, bytes], given: list[dict[bytes, bytes]]) -> Thread:
    return Thread(
        id=key,
        title=_text(values, b"Title"),
        body=_text(values, b"Body"),
        score=_score(values.get(b"Score", b"0")),
        date=_text(values, b"CreationDate"),
        accepted=max(0, _number(values.get(b"AcceptedAnswerId", b"0"))),
        answers=tuple(Answer(int(each[b"Id"]), int(each[b"Score"]), _text(each, b"Body")) for each in given),
    )


def _score(value: bytes) -> int:
    number = _number(value)
    return number if number > -MAX_ID else 0


def _text(values: dict[bytes, bytes], name: bytes) -> str:
    return unescape(values.get(name, b"").decode("utf-8", "replace"))
