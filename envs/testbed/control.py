"""Control of the testbed, a real Slurm of four nodes on this machine: up, down, status, borrow.

Munge, slurmctld and four slurmd run as ordinary processes of this user: no systemd, no cgroups, no containers. All
state lies in one folder (`home`). `up` starts only daemons that do not run, so it can be called twice,
after a reboot, or after a node was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from envs.testbed import conf, daemons, packages
from stages.shared.errors import ClusterError

START_LIMIT_S = 300
"""Longest wait for all nodes to become idle; it takes 3 s on an idle machine with two cores."""

KILL_WAIT_S = 10
"""Longest wait for cancelled jobs to end: KillWait of slurm.conf.in and a little more."""
FIRST_JOB = "first-job"
"""File with the id of the first job after the next fresh start."""


class TestbedError(ClusterError):
    """The testbed cannot run here. The message names the cause and the remedy."""


def home() -> Path:
    """Return the folder of the testbed: $STAGECOACH_TESTBED, else one of this user's in /tmp."""
    folder = Path(os.environ.get("STAGECOACH_TESTBED") or f"/tmp/stagecoach-testbed-{os.getuid()}")
    if not re.fullmatch(r"/[\w./+-]{1,80}", str(folder)):
        raise TestbedError(
            f"STAGECOACH_TESTBED = {str(folder)!r}: must be an absolute path of at most 80 letters, digits and ./+-_, "
            "for slurm.conf and the munge socket (for example /tmp/testbed)"
        )
    return folder


def up(keep: bool = False) -> dict[str, str]:
    """Start missing daemons, wait until all nodes are ready, and return the environment that reaches the testbed.

    keep=True: it stays up when its borrowers are done (see `borrow`).
    Raises TestbedError where Slurm is missing and cannot be installed, or does not start (with its last log lines).
    """
    folder = _prepare()
    with _lock(folder):
        if keep:
            (folder / "borrowed").unlink(missing_ok=True)
        _start(folder)
    return environment()


def down() -> bool:
    """Cancel the testbed's jobs and end all its processes. Returns False if there were none."""
    folder = home()
    if not folder.exists():
        return False
    with _lock(folder):
        return _stop(folder)


def is_up() -> bool:
    """Return whether every daemon runs and every node is ready for jobs."""
    folder = home()
    return (folder / "slurm.conf").exists() and not _absent(folder) and _unready(_node_states()) == {}


def environment() -> dict[str, str]:
    """Return the environment variables that point Slurm's commands to the testbed."""
    return {"SLURM_CONF": str(home() / "slurm.conf")}


@contextlib.contextmanager
def borrow() -> Iterator[dict[str, str]]:
    """Borrow the testbed: yields its environment.

    A testbed that runs already stays up. Else it is started, and the last borrower takes it down. Borrowers may be
    several processes at once.
    """
    folder = _prepare()
    with (folder / "borrowers").open("w") as borrowers:
        with _lock(folder):
            if not daemons.running(folder):
                (folder / "borrowed").touch()
            _start(folder)
            fcntl.flock(borrowers, fcntl.LOCK_SH)
        try:
            yield environment()
        finally:
            with _lock(folder), contextlib.suppress(BlockingIOError):
                fcntl.flock(borrowers, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (folder / "borrowed").exists():
                    _stop(folder)


def status() -> str:
    """Return a few lines about the testbed: its daemons, nodes and jobs."""
    folder = home()
    alive = daemons.running(folder) if folder.exists() else {}
    if not alive:
        return f"The testbed is down ({folder})."
    lines = [f"{name:<10} pid {pid}" for name, pid in sorted(alive.items())]
    lines += [f"{name:<10} not running" for name in _absent(folder)]
    return "\n".join([*lines, "", _client("sinfo"), _client("squeue", "--all")]).rstrip()


def _prepare() -> Path:
    """Install missing programs and make the folder, which only this user can open."""
    try:
        packages.ensure()
    except packages.MissingError as error:
        raise TestbedError(str(error)) from error
    folder = home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise TestbedError(f"{folder} belongs to another user: set STAGECOACH_TESTBED to another folder")
    folder.chmod(0o700)  # munge refuses a key that other users could replace
    key = folder / "munge.key"
    if not key.exists():
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
    return folder


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(folder: Path) -> None:
    alive = daemons.running(folder)
    if not alive or not (folder / "slurm.conf").exists():
        daemons.end([*alive.values(), *daemons.offspring(folder)], patience_s=5)
        alive = {}
        _begin_anew(folder)
    if "munged" not in alive:
        conf.munge_socket(folder).unlink(missing_ok=True)
    try:
        for name, command in _commands(folder).items():
            if name not in alive:
                daemons.start(name, command, folder)
            if name == "munged":
                _wait(conf.munge_socket(folder).exists, folder, ["munged"])
        _wait(lambda: _resume(_unready(_node_states())), folder, list(_commands(folder)))
    except TestbedError:
        if not alive:  # else the next start would keep the cause, such as a port that another program took
            _stop(folder)
        raise


def _begin_anew(folder: Path) -> None:
    """Write slurm.conf and delete the jobs of the last start, which would run again. No job id is used twice."""
    for name in ("state", "spool"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("state", *(f"spool/{node}" for node in conf.NODES)):
        (folder / name).mkdir(parents=True)
    numbers = folder / FIRST_JOB
    first = int(numbers.read_text()) if numbers.exists() else 1
    numbers.write_text(f"{first + 1000}\n")  # an upper bound, in case it ends without `down`
    user = pwd.getpwuid(os.getuid()).pw_name
    text = conf.render(conf.TEMPLATE.read_text(), folder, user, conf.free_ports(), first)
    (folder / "slurm.conf").write_text(text)
    # Slurm looks for cgroups even where slurm.conf does not use them, and stops where none are mounted, as in a chroot
    # or a bare container. The plugin for cgroup v1, which is unused here, needs none.
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")


def _commands(folder: Path) -> dict[str, list[str]]:
    """Return the command of every daemon, in order of start."""
    files = {"key-file": "munge.key", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "munged.seed"}
    munged = [packages.program("munged"), "--foreground", "--force", f"--socket={conf.munge_socket(folder)}"]
    slurm_conf = ["-D", "-f", str(folder / "slurm.conf")]
    return {
        "munged": munged + [f"--{option}={folder / name}" for option, name in files.items()],
        "slurmctld": [packages.program("slurmctld"), *slurm_conf],
        **{f"slurmd-{node}": [packages.program("slurmd"), "-N", node, *slurm_conf] for node in conf.NODES},
    }


def _stop(folder: Path) -> bool:
    alive = daemons.running(folder)
    if "slurmctld" in alive:  # while the controller runs, Slurm can clean up after its jobs
        if next_id := re.search(r"^NEXT_JOB_ID\s*=\s*(\d+)", _client("scontrol", "show", "config"), re.MULTILINE):
            (folder / FIRST_JOB).write_text(f"{next_id[1]}\n")
        _client("scancel", f"--user={os.getuid()}")
        _until(lambda: not daemons.offspring(folder), KILL_WAIT_S)
    daemons.end(alive.values(), patience_s=10)
    found = bool(alive)
    while children := daemons.offspring(folder):  # a step may start a process meanwhile
        daemons.end(children, patience_s=2)
        found = True
    (folder / "borrowed").unlink(missing_ok=True)
    return found


def _absent(folder: Path) -> list[str]:
    return sorted(set(_commands(folder)) - set(daemons.running(folder)))


def _node_states() -> dict[str, str]:
    """Return the state of every node, such as `idle`; a final `*` means no answer. Empty without a controller."""
    lines = _client("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T").splitlines()
    return dict(line.split() for line in lines if len(line.split()) == 2)


def _unready(states: dict[str, str]) -> dict[str, str]:
    """Return the nodes that take no jobs, with their states."""
    good = ("idle", "planned", "mixed", "allocated", "completing")
    return {node: state for node in conf.NODES if (state := states.get(node, "unknown")) not in good}


def _resume(unready: dict[str, str]) -> bool:
    """Return whether all nodes are ready. Side effect: resumes nodes that are down or drained but answer."""
    for node, state in unready.items():
        if state.startswith(("down", "drain")) and not state.endswith("*"):
            _client("scontrol", "update", f"nodename={node}", "state=resume")
    return not unready


def _wait(ready: Callable[[], bool], folder: Path, names: list[str]) -> None:
    """Wait until the daemons `names` are ready. Raises TestbedError with their last log lines after START_LIMIT_S."""
    began, before = time.monotonic(), set[str]()
    while not ready():
        absent = set(names) - daemons.running(folder).keys()
        ended = sorted(absent & before)  # not at the first look: the environment of a new process is empty for a moment
        before = absent
        if ended or time.monotonic() - began > START_LIMIT_S:
            last = [f"  {name}: {line}" for name in ended or names for line in _last_lines(folder / f"{name}.out")]
            what = f"{' and '.join(ended)} ended at once" if ended else f"no answer within {START_LIMIT_S} s"
            raise TestbedError(
                "\n".join([f"Slurm does not start: {what}. Last log lines:", *last, f"All logs: {folder}"])
            )
        time.sleep(0.1)


def _last_lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-2:] if log.exists() else []


def _until(ready: Callable[[], bool], limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while not (done := ready()) and time.monotonic() < end:
        time.sleep(0.1)
    return done


def _client(*command: str) -> str:
    """Return the output of a Slurm command; empty if the controller does not answer."""
    env = {**os.environ, **environment()}
    argv = [packages.program(command[0]), *command[1:]]
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=10).stdout
    return ""
