"""Preflight: what a node must have before a training starts on it. Cheap: no torch, some milliseconds.

A node that lacks something fails the element with exit 77: it starts again elsewhere, and the node gets a strike.
Collectives are no part of it: the ranks' own first meeting shows them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LEAST_FREE = 64 << 20
"""Bytes that the node's own temporary folder must have: compilers and sockets need some."""
MOST_SKEW_S = 120.0
PATIENCE_S = 60


def problems(
    work: Path, gpus: int, temporary: Path | None = None, clock: Callable[[], float] = time.time
) -> Iterator[str]:
    """Yield what is wrong with this node. `work` is a folder of the run that this process may write."""
    temporary = temporary or Path(os.environ.get("TMPDIR") or "/tmp")
    yield from _of_disk(temporary)
    yield from _of_clock(work, clock)
    if gpus:
        yield from _of_gpus(gpus)


def _of_disk(temporary: Path) -> Iterator[str]:
    try:
        free = shutil.disk_usage(temporary).free
        with tempfile.TemporaryFile(dir=temporary) as file:
            file.write(b"x")
    except OSError as error:
        yield f"its folder {temporary} cannot be written: {error.strerror}"
        return
    if free < LEAST_FREE:
        yield f"its folder {temporary} has {free >> 20} MB left"


def _of_clock(work: Path, clock: Callable[[], float]) -> Iterator[str]:
    """Compare the node's clock with that of the shared file system, which writes times of its own."""
    with tempfile.NamedTemporaryFile(dir=work, prefix=".clock-") as file:
        skew = os.fstat(file.fileno()).st_mtime - clock()
    if abs(skew) > MOST_SKEW_S:
        yield f"its clock is {abs(skew):.0f} s off that of the file system"


def _of_gpus(gpus: int) -> Iterator[str]:
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False
        )
    except FileNotFoundError:  # another maker's GPUs
        return
    except subprocess.TimeoutExpired:
        yield f"nvidia-smi gives no answer in {PATIENCE_S} s"
        return
    found = sum(line.startswith("GPU ") for line in done.stdout.splitlines())
    if done.returncode or found < gpus:
        words = (done.stdout + done.stderr).strip().splitlines()
        yield f"{found} of {gpus} GPUs answer" + (f" (nvidia-smi: {words[-1]})" if done.returncode and words else "")
