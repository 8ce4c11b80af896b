"""Slurm's read and control commands, with their answers parsed. sbatch itself is called by submit alone.

Works without accounting: squeue and scontrol only. Fixed output formats: the JSON schema differs between versions.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from stages.shared.errors import ClusterError

TIMEOUT_S = 60
QUEUE_COLUMNS = "JobArrayID:|,State:|,Reason:|,NodeList:|,RestartCnt:|,Comment:"
"""Columns of squeue, each as wide as its content, with a bar after it. The comment is last: it may hold bars."""


@dataclass(frozen=True)
class QueueRow:
    """One array element that Slurm still knows as unfinished."""

    slurm_id: str
    """`<array>_<task>`."""
    state: str
    reason: str
    node: str
    restarts: int
    """How often it was requeued: which attempt the row is about."""
    comment: str

    @property
    def is_running(self) -> bool:
        """True from the moment nodes are assigned."""
        return self.state in ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED")


def slurm_answers() -> bool:
    """Return whether a Slurm controller answers on this machine."""
    if shutil.which("sbatch") is None:
        return False
    try:
        return subprocess.run(["sinfo", "-h"], capture_output=True, timeout=15, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def call(command: Sequence[str]) -> str:
    """Run one Slurm command and return its output. Raises ClusterError with Slurm's own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise ClusterError(
            f"{command[0]} is not on this machine: run this where Slurm's commands are, or use --cluster local"
        ) from None
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"{' '.join(command)} gave no answer in {TIMEOUT_S} s: try again when the controller is less busy"
        ) from None
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed (exit {done.returncode}): {_last_line(done.stderr)}")
    return done.stdout


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["without a word"])[-1]


def queue() -> list[QueueRow]:
    """Return this user's unfinished array elements, one row each."""
    return parse_queue(call(["squeue", "--me", "-r", "-h", "-O", QUEUE_COLUMNS]))


def parse_queue(text: str) -> list[QueueRow]:
    """Return the rows of `squeue -r -h -O QUEUE_COLUMNS`."""
    rows = ([part.strip() for part in line.split("|", 5)] for line in text.splitlines())
    return [
        QueueRow(slurm_id, state, reason, node, int(restarts), comment)
        for slurm_id, state, reason, node, restarts, comment in (row for row in rows if len(row) == 6)
    ]


def max_array_size() -> int:
    """Return Slurm's MaxArraySize, which bounds the array *index*: 0 to size-1, that many elements."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", call(["scontrol", "show", "config"]), re.MULTILINE)
    return int(found.group(1)) if found else 1001


def cancel(slurm_ids: Sequence[str]) -> None:
    """Cancel jobs or array elements; those already gone are no error."""
    if slurm_ids:
        call(["scancel", *slurm_ids])


def set_dependency(slurm_id: str, upstream: Sequence[str]) -> None:
    """Make a pending job wait for `upstream` (afterok), or for nothing if there is none."""
    call(
        ["scontrol", "update", f"jobid={slurm_id}", f"dependency={'afterok:' + ':'.join(upstream) if upstream else ''}"]
    )
