"""Processes of the testbed: start, find, end.

Every daemon starts with MARK in its environment and is found by reading /proc, so no pid file can go stale. A process
without this folder's mark is never touched, whatever its pid or name.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

MARK = "STAGECOACH_TESTBED_DAEMON"
_children: list[subprocess.Popen[bytes]] = []
"""Daemons that this process started, kept so that it can reap them."""


def start(name: str, command: Sequence[str], folder: Path) -> None:
    """Start `command` as the daemon `name` of the testbed in `folder`: own session, output to <name>.out."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH_", "SRUN_"))}
    # slurmstepd writes its title over the first variables that it inherits: SLURM_CONF comes last and stays readable.
    env = {**kept, MARK: f"{folder}/{name}", "SLURM_CONF": str(folder / "slurm.conf")}
    with (folder / f"{name}.out").open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(process)


def running(folder: Path) -> dict[str, int]:
    """Return the pids of the testbed's running daemons by name."""
    prefix = f"{MARK}={folder}/"
    found = {}
    for pid, environment, _title in _processes():
        for entry in environment:
            if entry.startswith(prefix) and _leads_session(pid):  # not a helper that the daemon forked
                found[entry[len(prefix) :]] = pid
    return found


def offspring(folder: Path) -> list[int]:
    """Return the pids of all processes that the daemons started: helpers, job steps and the jobs' own processes."""
    conf = f"SLURM_CONF={folder}/slurm.conf"
    prefix = f"{MARK}={folder}/"
    found = []
    for pid, environment, title in _processes():
        # A user's shell may have SLURM_CONF too, and SLURM_JOB_ID inside salloc. Only a node sets SLURMD_NODENAME.
        of_a_node = title.startswith("slurmstepd") or any(e.startswith("SLURMD_NODENAME=") for e in environment)
        of_a_daemon = any(e.startswith(prefix) for e in environment) and not _leads_session(pid)
        if (of_a_daemon or (of_a_node and conf in environment)) and pid != os.getpid():
            found.append(pid)
    return found


def end(pids: Iterable[int], patience_s: float) -> None:
    """End processes: SIGTERM, then SIGKILL after `patience_s`. Returns when all are gone."""
    left = set(pids)
    for number, limit_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 60.0)):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        until = time.monotonic() + limit_s
        while (left := {pid for pid in left if _is_alive(pid)}) and time.monotonic() < until:
            time.sleep(0.05)
    if left:
        raise OSError(f"processes {sorted(left)} of the testbed do not end, even by SIGKILL")


def _processes() -> Iterable[tuple[int, list[str], str]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes()
            title = (folder / "cmdline").read_bytes()
        except OSError:  # has ended, or belongs to another user
            continue
        if environment and _is_alive(int(folder.name)):
            yield int(folder.name), os.fsdecode(environment).split("\0"), os.fsdecode(title)


def _leads_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def _is_alive(pid: int) -> bool:
    for child in _children:
        child.poll()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"  # without a reaper of orphans, ended processes stay listed
