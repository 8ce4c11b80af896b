"""The process in which the slow extractors run, so that a page on which they do not end can be stopped.

Speaks over stdin and stdout: a length (8 bytes, little endian) and that many bytes of UTF-8, in both directions. Two
messages ask (how to extract, the markup), one answers: `+` and the text, or `-` and the error. Says one empty message
when it is ready, so that the time an import takes on a slow file system is not charged to a page.
"""

from __future__ import annotations

import gc
import os
import re
import resource
import struct
import sys
from pathlib import Path
from typing import IO

import trafilatura

from stages.web.justext_text import good_paragraphs
from stages.web.pruning import speed_up_trafilatura

LENGTH = struct.Struct("<Q")
TRAFILATURA = "trafilatura"
"""How to extract: this, or the name of the stop list with which jusText is to do it."""
DONE, FAILED = "+", "-"
OUT_OF_MEMORY = 3
"""Exit code: after a failed allocation the libraries' state is not to be trusted."""
STATUS = Path("/proc/self/status")
PEAK = re.compile(r"^VmPeak:\s+(\d+) kB", re.MULTILINE)


def send(stream: IO[bytes], text: str) -> None:
    """Write one message."""
    data = text.encode("utf-8", errors="replace")
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> str | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return stream.read(*LENGTH.unpack(head)).decode("utf-8")


def main_text(html: str) -> str:
    """Return a page's main text by trafilatura, or an empty text if there is none.

    `deduplicate` stays off: it remembers earlier pages, so that a text would depend on what was read before it.
    """
    return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False) or ""


def answer(how: str, html: str) -> str:
    """Return the message for one page. An error of the libraries is an answer: the next page needs no new process."""
    try:
        return DONE + (main_text(html) if how == TRAFILATURA else good_paragraphs(html, how))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # whatever markup makes a library do, it must cost this page only
        return f"{FAILED}{type(error).__name__}: {error}"


def peak_mb() -> float:
    """Return the most address space that this process ever had, in MB; 0 where the system does not say."""
    found = PEAK.search(STATUS.read_text()) if STATUS.exists() else None
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def main(memory_mb: int) -> None:
    """Answer pages until the parent closes the pipe.

    trafilatura takes some failed allocations for markup without text. So an empty text after much memory was used (the
    worst pages within the default limits of size need 420 MB) counts as out of memory.
    """
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not get between the answers
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    speed_up_trafilatura()
    gc.collect()
    gc.freeze()  # what was imported lives as long as the process: no collection need look at it again
    gc.set_threshold(50_000)  # elements hold no cycles, and thousands of them come and go with a page
    send(answers, "")
    while (how := receive(sys.stdin.buffer)) is not None:
        text = answer(how, receive(sys.stdin.buffer) or "")
        if text == DONE and peak_mb() > memory_mb / 2:
            os._exit(OUT_OF_MEMORY)
        send(answers, text)


if __name__ == "__main__":
    main(int(sys.argv[1]))
