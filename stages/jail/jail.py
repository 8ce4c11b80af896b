"""Runs programs that a model wrote: without network, without rights, within limits, with nothing of the user's in view.

A program sees Python and the system's libraries read-only, a few MB of its own in /tmp, and no other process. Whatever
it starts ends with it. The kernel does the work (user namespaces, rlimits), so no daemon and no root are needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from stages.shared.errors import StagecoachError

Reason = Literal["passed", "error", "exit", "signal", "cpu_time", "wall_time"]
_SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_PATIENCE = 30.0
"""Seconds beyond the wall time that a jail may take to start and to end, on a busy machine."""


class JailError(StagecoachError):
    """This machine cannot make a jail, or could not make this one."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a program may use. Time is CPU time, so a verdict is the same on a busy machine."""

    cpu_seconds: float = 3.0
    """Of each process, rounded to whole seconds (setrlimit's unit). HumanEval's own limit is 3."""
    wall_seconds: float = 30.0
    """Of a program that sleeps or waits."""
    memory: int = 1 << 30
    """Bytes of address space of each process."""
    processes: int = 8
    """Processes and threads, those of the same user in other jails included where the kernel is older than 5.14."""
    disk: int = 16 << 20
    """Bytes of all files in /tmp."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a program ended."""

    reason: Reason
    """`passed`: its last line was reached; `error`: an exception; `exit`: it ended itself before that."""
    detail: str
    """The exception or the signal, at most 500 characters."""
    cpu_seconds: float

    @property
    def passed(self) -> bool:
        """Return whether the program ran to its end."""
        return self.reason == "passed"


def missing() -> str | None:
    """Return in one sentence what this machine lacks to make a jail; None if it can."""
    if not sys.platform.startswith("linux"):
        return f"a jail needs Linux namespaces, and this is {sys.platform}"
    try:
        run("pass")
    except JailError as error:
        return str(error)
    return None


def run(program: str, limits: Limits | None = None) -> Verdict:
    """Run a Python program in a jail of its own and return how it ended. Raises JailError if there is no jail."""
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="stagecoach-jail-") as root:
        request = {"program": program, "root": root, "folders": _folders(), **asdict(limits)}
        try:
            done = subprocess.run(
                _command(),
                input=json.dumps(request),
                capture_output=True,
                text=True,
                env=_ENVIRONMENT,
                timeout=limits.wall_seconds + _PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Verdict(reason="wall_time", detail="", cpu_seconds=0.0)
    return _verdict(done)


def run_all(programs: Iterable[str], limits: Limits | None = None, at_once: int = 1) -> Iterator[Verdict]:
    """Yield the verdict of each program in order, `at_once` running side by side. Raises JailError."""
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(lambda program: run(program, limits), programs)


def _command() -> list[str]:
    return [sys.executable, "-s", "-P", str(Path(__file__).with_name("inside.py"))]


def _folders() -> list[str]:
    """Return what a program sees: system libraries and Python with its packages, a folder before those in it."""
    return sorted({*filter(_is_there, _SYSTEM), sys.base_prefix, sys.prefix})


def _is_there(path: str) -> bool:
    return Path(path).exists()


def _verdict(done: subprocess.CompletedProcess[str]) -> Verdict:
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {"reason": "jail", "detail": (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]}
    if answer["reason"] == "jail":
        raise JailError(
            f"this machine cannot make a jail: {answer['detail']}. A jail needs user namespaces: "
            "sysctl user.max_user_namespaces above 0 and kernel.apparmor_restrict_unprivileged_userns = 0"
        )
    return Verdict(**answer)
