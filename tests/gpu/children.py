"""Processes of their own for the checks, each with a limit. The next ones do their imports while one works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.shared.machine import GPU_ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
_SHOWN = 40
"""Lines of a log that are kept."""
_SPARE = 3
"""Processes that are prepared, on a machine with cores enough: their imports take 7 s, many checks less."""


@dataclass(frozen=True)
class Answer:
    """The end of a process."""

    code: int | None
    """Exit code; None: stopped at its limit."""
    values: dict[str, Any]
    """What it found; empty if it did not come to its end."""
    seconds: float
    log: tuple[str, ...]
    """The last lines that it wrote."""

    @property
    def problem(self) -> str:
        """Says why there is no answer; empty if there is one."""
        if self.code == 0:
            return ""
        if self.code is None:
            return f"over its limit of {self.seconds:.0f} s"
        return self.log[-1] if self.log else f"exit {self.code}"


class Children:
    """Starts processes one after the other, in a scratch folder, until a moment of the monotonic clock."""

    def __init__(self, folder: Path, until: float) -> None:
        self.folder, self._until = folder, until
        self._environment = {**GPU_ENVIRONMENT, **os.environ}
        self._started = 0
        self._spare = deque[_Child]()
        self._prepare()

    def _prepare(self) -> None:
        while len(self._spare) < max(1, min(_SPARE, len(os.sched_getaffinity(0)) // 4)):
            self._started += 1
            self._spare.append(_Child(self.folder / f"child-{self._started}", self._environment))

    @property
    def left_s(self) -> float:
        """Seconds until the end."""
        return self._until - time.monotonic()

    def ask(self, work: str, order: dict[str, Any], limit_s: float) -> Answer:
        """Have a process do a work of tests/gpu/worker.py; return its answer."""
        child = self._spare.popleft()
        began = time.monotonic()
        child.begin({"work": work, "order": order})
        self._prepare()
        code = child.end(max(0.0, min(limit_s, self.left_s)))
        return Answer(code, child.answer(), time.monotonic() - began, child.log())

    def without(self, variable: str) -> None:
        """Leave a variable out of the environment of the processes from here on."""
        self.close()
        self._environment.pop(variable, None)
        self._prepare()

    def close(self) -> None:
        """End the processes that wait for an order."""
        while self._spare:
            self._spare.pop().end(0.0)


@contextmanager
def children(folder: Path, seconds: float) -> Iterator[Children]:
    """Lend processes for so many seconds; none is left behind."""
    lent = Children(folder, time.monotonic() + seconds)
    try:
        yield lent
    finally:
        lent.close()


class _Child:
    """A process of tests/gpu/worker.py, the leader of a group of its own."""

    def __init__(self, stem: Path, environment: Mapping[str, str]) -> None:
        self._answer, self._log = stem.with_suffix(".json"), stem.with_suffix(".log")
        paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "tests.gpu.worker", str(self._answer)],
                cwd=ROOT,
                env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def begin(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # a pipe was asked for
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.close()
        except BrokenPipeError:
            return  # it died of an import: the exit code and the log tell

    def end(self, limit_s: float) -> int | None:
        """Return the exit code; None if the limit was passed. Side effect: no process of the group is left."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._kill()

    def _kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            self._process.wait()

    def answer(self) -> dict[str, Any]:
        return json.loads(self._answer.read_text("utf-8")) if self._answer.exists() else {}

    def log(self) -> tuple[str, ...]:
        return tuple(self._log.read_text("utf-8", errors="replace").strip().splitlines()[-_SHOWN:])
