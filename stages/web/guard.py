"""A warm child process for extraction, with a time limit for each page."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from stages.web.extract_child import LENGTH, send

ROOT = Path(__file__).parents[2]
START_S = 300
"""Seconds the child may take to import its libraries: a cold network file system can need minutes."""
PAGES_PER_CHILD = 10_000
"""Pages after which a fresh child takes over, because lxml's memory is known to grow in long runs."""


class GuardError(Exception):
    """The child gave no answer: it took too long, or it died."""


class Guard:
    """Sends pages to `extract_child` and gives up on those that take too long."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._pages = 0

    def extract(self, html: str) -> str:
        """Return the page's main text. Raises GuardError if the child did not deliver; the next page gets a new one."""
        child = self._ready()
        assert child.stdin is not None
        self._pages += 1
        try:
            send(child.stdin, html)
            return self._answer(child, self.timeout_s)
        except (GuardError, OSError) as error:
            self.close()
            raise GuardError(str(error)) from error

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._pages < PAGES_PER_CHILD:
            return self._child
        self.close()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "stages.web.extract_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._pages = 0
        try:
            self._answer(self._child, START_S)
        except GuardError as error:
            raise RuntimeError(f"the extraction process did not start ({error}); its words are above") from error
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
                with contextlib.suppress(BrokenPipeError):  # what was left in the buffer has no reader any more
                    stream.close()
        self._child.wait()
        self._child = None


def _read(descriptor: int, length: int, deadline: float) -> bytes:
    """Read exactly `length` bytes from a pipe before the deadline (of time.monotonic)."""
    data = bytearray()
    while len(data) < length:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise GuardError("no answer in time")
        block = os.read(descriptor, min(length - len(data), 1 << 20))
        if not block:
            raise GuardError("the process ended")
        data += block
    return bytes(data)
