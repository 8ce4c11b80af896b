"""Questions with their answers from `Posts.xml` of Stack Exchange's dump, whatever its size.

The file is read once as a stream. Posts wait in a table on disk, since answers lie far behind their question.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.parsers import expat

from resiliparse.extract.html2text import extract_plain_text

from stages.formats.chat.rejects import Reject
from stages.shared.errors import DataError

QUESTION, ANSWER = "1", "2"
"""Values of PostTypeId; others are wikis, tags and moderators' posts."""
CHUNK = 1 << 20
"""Bytes that are parsed at once."""
_TABLES = """
CREATE TABLE questions (id INTEGER PRIMARY KEY, title TEXT, body TEXT, accepted INTEGER);
CREATE TABLE answers (question INTEGER, id INTEGER, score INTEGER, body TEXT);
"""


def read_posts(path: Path, work: Path) -> Iterator[tuple[int, Any]]:
    """Yield each question's id and its record as the format `stackexchange` has it, in order of ids; a Reject for a row
    that is no post, with its number, and one for answers to a question that is not in the file.

    Side effect: a table in `work`, as large as the posts, which is removed. Raises DataError for a file that is no
    whole XML, or declares entities.
    """
    table = work / "posts.sqlite"
    table.unlink(missing_ok=True)  # of an attempt that was killed
    with closing(sqlite3.connect(table, isolation_level=None)) as posts:
        posts.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLES + "BEGIN;")
        for number, row in enumerate(_rows(path), start=1):
            try:
                _store(posts, row)
            except (KeyError, ValueError, OverflowError) as error:
                yield number, Reject("unreadable_record", f"{type(error).__name__}: {error}: {str(row)[:200]}")
        posts.execute("CREATE INDEX of_question ON answers (question, id)")
        for question in posts.execute("SELECT id, title, body, accepted FROM questions ORDER BY id"):
            yield question[0], _record(posts, *question)
        orphans = "SELECT id, body FROM answers WHERE question NOT IN (SELECT id FROM questions) ORDER BY id"
        for id_, body in posts.execute(orphans):
            yield id_, Reject("answer_without_question", text_of_html(body))
    table.unlink()


def text_of_html(body: str) -> str:
    """Return a post's text: paragraphs, lists and code on lines of their own, without marks."""
    text: str = extract_plain_text(body, preserve_formatting=True, main_content=False)
    return text.strip()


def _store(posts: sqlite3.Connection, row: Mapping[str, str]) -> None:
    kind = row["PostTypeId"]
    if kind == QUESTION:
        accepted = int(row.get("AcceptedAnswerId", 0))
        asked = (int(row["Id"]), row.get("Title", ""), row["Body"], accepted)
        posts.execute("INSERT OR REPLACE INTO questions VALUES (?, ?, ?, ?)", asked)
    elif kind == ANSWER:
        given = (int(row["ParentId"]), int(row["Id"]), int(row["Score"]), row["Body"])
        posts.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", given)


def _record(posts: sqlite3.Connection, id_: int, title: str, body: str, accepted: int) -> dict[str, Any]:
    found = posts.execute("SELECT id, score, body FROM answers WHERE question = ? ORDER BY id", (id_,))
    answers = [
        {"text": text_of_html(text), "score": score, "accepted": number == accepted} for number, score, text in found
    ]
    return {"title": title, "question": text_of_html(body), "answers": answers}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the attributes of each `row` element. Raises DataError as read_posts does."""
    rows: list[dict[str, str]] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            rows.append(attributes)

    def refuse(*_declaration: object) -> None:
        raise DataError(path, "declares a document type, as no dump does", "Name the dump's own Posts.xml")

    parser.StartElementHandler, parser.StartDoctypeDeclHandler = start, refuse
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                parser.Parse(chunk, False)
                yield from rows
                rows.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise DataError(
            path, f"no whole XML file ({error})", "Unpack the dump again", record=f"line {error.lineno}"
        ) from error
    yield from rows
