"""A child process that holds an expert's model: it is killed when it takes too long, and its death is one failed call.

Requests and answers are JSON, a line each. The child ends when its parent does.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from stages.formats.chat.rejects import Reject

START_S = 120.0
"""Time that a model may take to load."""
_ROOT = Path(__file__).resolve().parents[3]
_MAX_ANSWER = 8 << 20
"""Bytes of an answer."""
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "0"}


class ExpertProcess:
    """A process that starts with the first call and again after its death. One call at a time; others wait."""

    def __init__(self, name: str, command: Sequence[str], timeout_s: float) -> None:
        """`command` prints a line once it is ready, then reads requests and prints answers."""
        self._name, self._command, self._timeout_s = name, command, timeout_s
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> ExpertProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._end()

    @property
    def pid(self) -> int | None:
        """Process id; None while there is no process."""
        return self._process.pid if self._process else None

    def call(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer. Raises Reject: `timed_out`, `killed`, or `failed` with the child's own words."""
        with self._lock:
            process = self._process or self._start()
            try:
                _send(process, request)
                answer = self._read(process, self._timeout_s)
            except (BrokenPipeError, EOFError) as error:
                raise self._death(process) from error
        if "error" in answer:
            raise Reject("failed", str(answer["error"]))
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **_OFFLINE, "PYTHONPATH": str(_ROOT)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
        )
        self._process, self._rest = process, b""
        try:
            ready = self._read(process, START_S)
        except EOFError as error:
            raise self._death(process) from error
        if "error" in ready:
            self._end()
            raise Reject("failed", str(ready["error"]))
        return process

    def _read(self, process: subprocess.Popen[bytes], seconds: float) -> Mapping[str, Any]:
        """Return the next line. Raises EOFError at the end of the process, and Reject(`timed_out`) after killing it."""
        deadline, found = time.monotonic() + seconds, self._rest
        output = process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(_descriptor(output), selectors.EVENT_READ)
            while b"\n" not in found:
                left = deadline - time.monotonic()
                if left <= 0 or len(found) > _MAX_ANSWER or not selector.select(left):
                    self._end()
                    raise Reject("timed_out", f"no answer of {self._name} within {seconds:g} s")
                block = os.read(_descriptor(output), 1 << 16)
                if not block:
                    raise EOFError
                found += block
        line, _, self._rest = found.partition(b"\n")
        answer: Mapping[str, Any] = json.loads(line)
        return answer

    def _death(self, process: subprocess.Popen[bytes]) -> Reject:
        status = process.wait()
        self._end()
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return Reject("killed", f"the process of {self._name} ended {how}")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _send(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> None:
    if process.stdin:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()


def _descriptor(stream: Any) -> int:
    return int(stream.fileno())
