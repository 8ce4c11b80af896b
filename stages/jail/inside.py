"""The process that builds a jail around itself and runs one program in it. Started by stages.jail.jail, with the
standard library alone.

Standard input has the request, standard output gets the answer: JSON, see `main`. The jail is made of namespaces(7):
a new user, mount, process, network, IPC and host-name namespace. Three processes:

- the outer one enters the namespaces and answers;
- process 1 of the new process namespace builds the root folder, waits for the program, and takes all processes of the
  namespace with it when it ends (pid_namespaces(7));
- its child gives up every capability, sets its resource limits and executes the program.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

_libc = ctypes.CDLL(None, use_errno=True)
_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
"""CLONE_NEWUSER, NEWNS, NEWPID, NEWNET, NEWIPC, NEWUTS (sched.h)."""
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 0x1, 0x2, 0x4, 0x20, 0x1000, 0x4000, 0x40000
"""Flags of mount(2)."""
_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_UNPRIVILEGED = 65534
_DEVICES = ("null", "zero", "random", "urandom")
_DETAIL = 500
"""Characters of an error's text that are reported."""


def main() -> None:
    """Read {program, root, folders, cpu_seconds, wall_seconds, memory, processes, disk}, print {reason, detail,
    cpu_seconds}; {reason: jail, detail} if the jail cannot be built.

    `root` is an empty folder to build the jail's root in, `folders` are shown in the jail read-only; sizes are bytes.
    """
    request = json.load(sys.stdin)
    is_root = os.geteuid() == 0
    try:
        _enter_namespaces(is_root)
        _die_with_parent()
    except OSError as error:
        print(json.dumps({"reason": "jail", "detail": str(error)}))
        return
    answer, report = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(answer)
        _guarded(report, lambda: _init(request, report, is_root))
    os.close(report)
    with open(answer, "rb") as pipe:  # noqa: PTH123  (a descriptor)
        text = pipe.read().decode("utf-8", "replace")
    _, status = os.waitpid(init, 0)
    built = text.startswith("{")
    print(text if built else json.dumps({"reason": "jail", "detail": text or f"process 1 ended with status {status}"}))


def _enter_namespaces(is_root: bool) -> None:
    """Enter the namespaces as their user 0. A helper outside maps the users: root's map needs the outer capability.

    Root maps another user too, to become that one: the kernel limits no process of root's.
    """
    outer, ready, mapped = os.getpid(), os.pipe(), os.pipe()
    uid, gid = os.geteuid(), os.getegid()
    helper = os.fork()
    if helper == 0:
        os.close(ready[1])
        os.read(ready[0], 1)
        more = f"\n{_UNPRIVILEGED} {_UNPRIVILEGED} 1" if is_root else ""
        try:
            Path(f"/proc/{outer}/setgroups").write_text("deny")
            Path(f"/proc/{outer}/uid_map").write_text(f"0 {uid} 1{more}")
            Path(f"/proc/{outer}/gid_map").write_text(f"0 {gid} 1{more}")
            os.write(mapped[1], b"1")
        finally:
            os._exit(0)
    os.close(mapped[1])
    _call("unshare", _NAMESPACES)
    os.write(ready[1], b"1")
    if not os.read(mapped[0], 1):
        raise PermissionError(1, "no users can be mapped into a user namespace")
    os.waitpid(helper, 0)
    for end in (*ready, mapped[0]):
        os.close(end)


def _init(request: dict[str, Any], report: int, is_root: bool) -> None:
    """Build the root folder, run the program, report its end. Everything in the jail ends with this process."""
    _die_with_parent()
    _build_root(Path(request["root"]), [Path(folder) for folder in request["folders"]], request["disk"])
    token = os.urandom(16)
    reached, end = os.pipe()
    program = os.fork()
    if program == 0:
        os.close(report)
        os.close(reached)
        _guarded(end, lambda: _run(request, end, token, is_root))
    os.close(end)
    status = _wait(program, request["wall_seconds"])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.set_blocking(reached, False)
    try:
        said = os.read(reached, 65536)
    except BlockingIOError:
        said = b""
    cpu = used.ru_utime + used.ru_stime
    answer = {**_verdict(status, said, token, cpu >= request["cpu_seconds"]), "cpu_seconds": cpu}
    os.write(report, json.dumps(answer).encode())


def _wait(program: int, seconds: float) -> int | None:
    """Return the status of the program's end; None if it has not ended in time. Reaps other orphans too."""
    until = time.monotonic() + seconds
    pause = 0.001
    while time.monotonic() < until:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == program:
            return status
        if not ended:
            time.sleep(pause)
            pause = min(0.05, pause * 1.5)
    return None


def _verdict(status: int | None, said: bytes, token: bytes, is_late: bool) -> dict[str, str]:
    if status is None:
        return {"reason": "wall_time", "detail": ""}
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        is_time = number == signal.SIGXCPU or (number == signal.SIGKILL and is_late)
        return {"reason": "cpu_time" if is_time else "signal", "detail": signal.Signals(number).name}
    if said == token:
        return {"reason": "passed", "detail": ""}
    if said:
        return {"reason": "error", "detail": said.decode("utf-8", "replace")}
    return {"reason": "exit", "detail": f"ended before the program's last line, with status {os.WEXITSTATUS(status)}"}


def _run(request: dict[str, Any], end: int, token: bytes, is_root: bool) -> None:
    """Execute the program as its own module, without rights. Writes the token to `end` after its last line."""
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    _give_up_rights(is_root)
    _limit(request)
    os.chdir("/tmp")
    code = compile(request["program"], "program.py", "exec")
    exec(code, {"__name__": "__main__", "__builtins__": __builtins__})
    os.write(end, token)


def _give_up_rights(is_root: bool) -> None:
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails past the kernel's last one
    if is_root:
        os.setresgid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
        os.setresuid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _limit(request: dict[str, Any]) -> None:
    cpu = max(1, round(request["cpu_seconds"]))
    for name, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, request["memory"], request["memory"]),
        (resource.RLIMIT_NPROC, request["processes"], request["processes"]),
        (resource.RLIMIT_FSIZE, request["disk"], request["disk"]),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
    ):
        resource.setrlimit(name, (soft, hard))


def _build_root(root: Path, folders: list[Path], disk: int) -> None:
    """Make `root` the root folder: an empty one, with `folders` and a few devices in it, and /tmp alone to write in."""
    _mount(None, Path("/"), None, _REC | _PRIVATE)
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, f"size={disk},nr_inodes=4096,mode=755")
    for folder in folders:
        _show(folder, root)
    (root / "dev").mkdir()
    for name in _DEVICES:
        place = root / "dev" / name
        place.touch()
        _mount(f"/dev/{name}", place, None, _BIND)
    for name in ("tmp", "dev/shm"):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(0o1777)
    _forbid_namespaces()
    old = root / "old"
    old.mkdir()
    _syscall(_PIVOT_ROOT[platform.machine()], os.fsencode(root), os.fsencode(old))
    os.chdir("/")
    _call("umount2", b"/old", _DETACH)
    Path("/old").rmdir()


def _forbid_namespaces() -> None:
    """Forbid further user namespaces in this one: in its own a program would have every capability again."""
    with contextlib.suppress(OSError):  # read-only /proc/sys, as in some containers
        Path("/proc/sys/user/max_user_namespaces").write_text("0")


def _show(folder: Path, root: Path) -> None:
    """Show a folder in the root, and every mount in it, read-only; a link such as /lib as a link."""
    place = root / folder.relative_to("/")
    if place.exists() or place.is_symlink():
        return  # inside of one that is shown already
    place.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        place.symlink_to(folder.readlink())
        return
    place.mkdir() if folder.is_dir() else place.touch()
    _mount(str(folder), place, None, _BIND | _REC)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in {mount.encode().decode("unicode_escape").encode("latin-1").decode() for mount in mounts}:
        if Path(mount).is_relative_to(place):
            # A user namespace may add flags to a mount of its parent's, and take none away.
            kept = os.statvfs(mount).f_flag & ~_REMOUNT
            _mount(None, Path(mount), None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | kept)


def _mount(source: str | None, target: Path, kind: str | None, flags: int, options: str = "") -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, str(target), kind)]
    _call("mount", *encoded, ctypes.c_ulong(flags), options.encode() or None)


def _die_with_parent() -> None:
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _syscall(number: int, *arguments: Any) -> None:
    if _libc.syscall(number, *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"system call {number}: {os.strerror(ctypes.get_errno())}")


def _guarded(report: int, work: Any) -> NoReturn:
    """Do the work and end this process, whatever happens: no exception and no exit handler leaves the fork."""
    status = 0
    try:
        work()
    except BaseException as error:
        status = 1
        os.write(report, f"{type(error).__name__}: {error}"[:_DETAIL].encode("utf-8", "replace"))
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
