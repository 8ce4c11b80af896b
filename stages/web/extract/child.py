"""The child process in which the slow extractors run, so that a page on which they hang can be stopped.

Protocol over stdin and stdout: a message is a length (8 bytes, little endian) and that many bytes of UTF-8. A request
is two messages, the extractor and the markup. An answer is one message: `+` and the text, or `-` and the error. The
child sends an empty message when it is ready, so that a slow import does not count as the time of a page.
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

from stages.web.extract.fast_xpath import speed_up_trafilatura
from stages.web.extract.justext_text import good_paragraphs
from stages.web.extract.kept_code import keep_code
from stages.web.extract.kept_parts import keep_parts_of_text
from stages.web.extract.list_numbers import number_ordered_lists

LENGTH = struct.Struct("<Q")
TRAFILATURA = "trafilatura"
"""The extractor: this, or the name of a stop list for jusText."""
DONE, FAILED = "+", "-"
OUT_OF_MEMORY = 3
"""Exit code: after a failed allocation the state of the libraries is unknown."""
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

    `deduplicate` stays off: it remembers earlier pages, so that a text would depend on the pages before it.
    """
    return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False) or ""


def answer(how: str, html: str) -> str:
    """Return the answer for one page. An error of the libraries is an answer too, so the process goes on."""
    try:
        return DONE + (main_text(html) if how == TRAFILATURA else good_paragraphs(html, how))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # an error of a library must cost this page only
        return f"{FAILED}{type(error).__name__}: {error}"


def peak_mb() -> float:
    """Return the peak address space of this process in MB; 0 where the system does not report it."""
    found = PEAK.search(STATUS.read_text()) if STATUS.exists() else None
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def main(memory_mb: int) -> None:
    """Answer pages until the parent closes the pipe.

    After some failed allocations trafilatura returns no text. Therefore an empty text after high memory use counts as
    out of memory. (The worst pages within the default limits of size need 420 MB.)
    """
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # prints of a library must not mix with the answers
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    speed_up_trafilatura()
    number_ordered_lists()
    keep_code()
    keep_parts_of_text()
    gc.collect()
    gc.freeze()  # imports live as long as the process: collections can skip them
    gc.set_threshold(50_000)  # elements have no cycles, and a page makes thousands of them
    send(answers, "")
    while (how := receive(sys.stdin.buffer)) is not None:
        text = answer(how, receive(sys.stdin.buffer) or "")
        if text == DONE and peak_mb() > memory_mb / 2:
            os._exit(OUT_OF_MEMORY)
        send(answers, text)


if __name__ == "__main__":
    main(int(sys.argv[1]))
