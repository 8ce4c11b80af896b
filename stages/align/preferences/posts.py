"""Questions with their answers from `Posts.xml` of Stack Exchange's dump, as records of the format `stackexchange`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.formats.chat.rejects import Reject
from stages.shared.errors import DataError
from stages.text.markup.post_html import post_text
from stages.text.markup.posts import BadRow, Dump, Thread, read_threads

CHUNK = 1 << 20
"""Bytes that are read at once."""
MAX_POST = 4 << 20
"""Bytes of a post; Stack Exchange itself allows 30,000 characters."""


def read_posts(path: Path, work: Path) -> Iterator[tuple[int, Any]]:
    """Yield each question's id and its record, in order of ids; a Reject for a row that is no post, with its number,
    and one for answers to a question that is not in the file.

    Side effect: files in `work`, as large as the posts, which are removed. Raises DataError for a file that is no whole
    XML, or declares entities.
    """
    dump = Dump()
    for number, found in enumerate(read_threads(_chunks(path), work, MAX_POST, dump), start=1):
        if isinstance(found, BadRow):
            yield number, Reject(found.reason, f"{found.id}: {found.text[:200]}")
        else:
            yield found.id, _record(found)
    if b"<!DOCTYPE" in dump.around.head:
        raise DataError(path, "declares a document type, as no dump does", "Name the dump's own Posts.xml")
    if not dump.is_whole:
        raise DataError(path, "no whole XML file: it does not end with </posts>", "Unpack the dump again")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _record(thread: Thread) -> dict[str, Any]:
    answers = [
        {"text": post_text(each.body), "score": each.score, "accepted": each.id == thread.accepted}
        for each in thread.answers
    ]
    return {"title": thread.title, "question": post_text(thread.body), "answers": answers}
