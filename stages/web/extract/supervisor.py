"""The supervisor of extraction: a warm child process, with limits of time and memory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from stages.web.extract.child import DONE, LENGTH, send

ROOT = Path(__file__).parents[3]
START_S = 300
"""Seconds in which the child imports its libraries: a cold network file system can take minutes."""
PAGES_PER_CHILD = 10_000
"""Pages after which a fresh child takes over, because lxml's memory is known to grow in long runs."""
PIPE_BYTES = 1 << 20
"""Size of the pipes, where the system allows it: most pages then pass in one piece, without waking the child twice."""


class ExtractionError(Exception):
    """The child gave no text for a page. `reason`: timeout, died (out of memory, or a crash) or failed (an error)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Supervisor:
    """Sends pages to the child process (child.py) and gives up on those that take too much time or memory."""

    def __init__(self, timeout_s: float, memory_mb: int) -> None:
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self._child: subprocess.Popen[bytes] | None = None
        self._pages = 0

    def extract(self, how: str, html: str) -> str:
        """Return the page's main text; `how` is `child.TRAFILATURA` or the name of a stop list.

        Raises ExtractionError if the child gave none. If the child is lost, the next page gets a new one.
        """
        child = self._ready()
        assert child.stdin is not None
        self._pages += 1
        try:
            send(child.stdin, how)
            send(child.stdin, html)
            answer = self._answer(child, self.timeout_s)
        except OSError as error:
            self.close()
            raise ExtractionError("died", str(error)) from error
        except ExtractionError:
            self.close()
            raise
        if not answer.startswith(DONE):
            raise ExtractionError("failed", answer[1:])
        return answer[len(DONE) :]

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._pages < PAGES_PER_CHILD:
            return self._child
        self.close()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "stages.web.extract.child", str(self.memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._pages = 0
        _enlarge(self._child)
        try:
            self._answer(self._child, START_S)
        except ExtractionError as error:
            raise RuntimeError(f"the extraction process did not start ({error}); its messages are above") from error
        return self._child

    @staticmethod
    def _answer(child: subprocess.Popen[bytes], timeout_s: float) -> str:
        assert child.stdout is not None
        deadline = time.monotonic() + timeout_s
        (length,) = LENGTH.unpack(_read(child.stdout.fileno(), LENGTH.size, deadline))
        return _read(child.stdout.fileno(), length, deadline).decode("utf-8")

    def close(self) -> None:
        """End the child."""
        if self._child is None:
            return
        self._child.kill()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # the rest of the buffer has no reader
                    stream.close()
        self._child.wait()
        self._child = None


def _enlarge(child: subprocess.Popen[bytes]) -> None:
    set_size = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # Linux; its number, for a Python without the name
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):  # another system, or the user's pipe memory is used up
                fcntl.fcntl(stream.fileno(), set_size, PIPE_BYTES)


def _read(descriptor: int, length: int, deadline: float) -> bytes:
    """Read exactly `length` bytes from a pipe before the deadline (of time.monotonic)."""
    data = bytearray()
    while len(data) < length:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise ExtractionError("timeout", "no answer in time")
        block = os.read(descriptor, min(length - len(data), 1 << 20))
        if not block:
            raise ExtractionError("died", "the process ended")
        data += block
    return bytes(data)
