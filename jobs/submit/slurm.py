"""Slurm's read and control commands, with their answers parsed. sbatch itself is called by arrays.py alone.

Works without accounting: squeue and scontrol only. Fixed output formats: the JSON schema differs between versions.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from stages.shared.errors import ClusterError

TIMEOUT_S = 60
PING_S = 15
IDS_AT_ONCE = 1000
"""Most ids in one command line."""
QUEUE_COLUMNS = "JobArrayID:|,State:|,Reason:|,NodeList:|,RestartCnt:|,Comment:"
"""Columns of squeue, each as wide as its content, with a bar after it. The comment is last: it may hold bars."""
COMMENT = re.compile(r"stagecoach:(?P<run>[^:\s]+):(?P<key>\S+)")
ABSENT = re.compile(r"down|drain|fail|maint|reserved|inval|unknown|reboot|future|powering|.*\*")
"""States of nodes that take no job at present; `*` follows the state of a node that does not respond."""


def comment_of(run: str, key: str, site: str = "") -> str:
    """Return the comment that names an array's run and submission; `site` is the cluster's own comment."""
    return f"stagecoach:{run}:{key}" + (f" {site}" if site else "")


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

    @cached_property
    def _named(self) -> tuple[str, str]:
        match = COMMENT.match(self.comment)
        return (match["run"], match["key"]) if match else ("", "")

    @property
    def run(self) -> str:
        """Id of the run that submitted the element; empty for a job of something else."""
        return self._named[0]

    @property
    def key(self) -> str:
        """Key of the submission."""
        return self._named[1]

    @property
    def array(self) -> str:
        """Slurm's id of the array."""
        return self.slurm_id.partition("_")[0]

    @property
    def element(self) -> int:
        """Index in the array; -1 for a job that is no array."""
        index = self.slurm_id.partition("_")[2]
        return int(index) if index.isdigit() else -1

    @property
    def is_running(self) -> bool:
        """True from the moment nodes are assigned."""
        return self.state in ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED")


def is_installed() -> bool:
    """Return whether this machine has Slurm's commands."""
    return shutil.which("sbatch") is not None


def require_answer() -> None:
    """Raise ClusterError if no Slurm controller answers on this machine."""
    try:
        call(["sinfo", "-h"], PING_S)
    except ClusterError as error:
        raise ClusterError(
            f"Slurm is installed here and does not answer ({error}). Wait for it, or give --cluster local to run on "
            "this machine alone"
        ) from None


def call(command: Sequence[str], timeout_s: float | None = None) -> str:
    """Run one Slurm command and return its output. Raises ClusterError with Slurm's own words."""
    timeout_s = timeout_s or TIMEOUT_S
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
    except FileNotFoundError:
        raise ClusterError(
            f"{command[0]} is not on this machine: run this where Slurm's commands are, or use --cluster local"
        ) from None
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"{' '.join(command)} gave no answer in {timeout_s} s: try again when the controller is less busy"
        ) from None
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed (exit {done.returncode}): {_last_line(done.stderr)}")
    return done.stdout


def accounting(*words: str) -> str:
    """Return the rows of `sacctmgr show`, without their heads; none where there is no accounting, or no answer soon."""
    with contextlib.suppress(ClusterError):
        return call(["sacctmgr", "-nP", "show", *words], PING_S)
    return ""


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["without a word"])[-1]


def queue(users: Sequence[str] = ()) -> list[QueueRow]:
    """Return the unfinished array elements of some users, without `users` of this one, a row each."""
    whose = f"--user={','.join(users)}" if users else "--me"
    return parse_queue(call(["squeue", whose, "-r", "-h", "-O", QUEUE_COLUMNS]))


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


def has_absent_nodes(partition: str | None) -> bool:
    """Return whether a node takes no job at present: of a partition, of some with commas between, of all if None."""
    states = call(["sinfo", "-h", "-o", "%T", *(["-p", partition] if partition else [])]).split()
    return not states or any(ABSENT.match(state) for state in states)


def release(slurm_ids: Sequence[str]) -> None:
    """Let held jobs or array elements go. Raises ClusterError if one is unknown; the others may be free then."""
    for start in range(0, len(slurm_ids), IDS_AT_ONCE):
        call(["scontrol", "release", ",".join(slurm_ids[start : start + IDS_AT_ONCE])])


def cancel(slurm_ids: Sequence[str]) -> None:
    """Cancel jobs or array elements; those already gone are no error."""
    for start in range(0, len(slurm_ids), IDS_AT_ONCE):
        call(["scancel", *slurm_ids[start : start + IDS_AT_ONCE]])


def dependency(after: Sequence[str], behind: Sequence[str] = ()) -> str:
    """Return a value of --dependency: all of `after` must succeed, all of `behind` must end."""
    parts = {"afterok": after, "afterany": behind}
    return ",".join(f"{kind}:{':'.join(ids)}" for kind, ids in parts.items() if ids)


def set_dependency(slurm_id: str, wanted: str) -> None:
    """Write the dependency of a pending array or element anew; "" for none."""
    call(["scontrol", "update", f"jobid={slurm_id}", f"dependency={wanted}"])
