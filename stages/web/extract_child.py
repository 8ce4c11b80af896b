"""The process in which trafilatura runs, so that a page on which it does not end can be stopped.

Speaks over stdin and stdout: a length (8 bytes, little endian) and that many bytes of UTF-8, in both directions. Says
one empty message when it is ready, so that the time an import takes on a slow file system is not charged to a page.
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

import trafilatura

LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, text: str) -> None:
    """Write one message."""
    data = text.encode("utf-8", errors="replace")
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> str | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return stream.read(*LENGTH.unpack(head)).decode("utf-8")


def main_text(html: str) -> str:
    """Return a page's main text, or an empty text if there is none.

    `deduplicate` stays off: it remembers earlier pages, so that a text would depend on what was read before it.
    """
    return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False) or ""


def main() -> None:
    """Answer pages until the parent closes the pipe."""
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not get between the answers
    send(answers, "")
    while (html := receive(sys.stdin.buffer)) is not None:
        send(answers, main_text(html))


if __name__ == "__main__":
    main()
