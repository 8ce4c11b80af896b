"""The jail: a program reaches nothing but itself, ends in time, and its verdict says how it ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.jail import jail
from stages.jail.jail import JailError, Limits, Verdict, run, run_all

pytestmark = pytest.mark.skipif(jail.missing() is not None, reason=f"no jail here: {jail.missing()}")
SHORT = Limits(cpu_seconds=1, wall_seconds=3)
MARK = "stagecoach-jail-test"
PATIENCE_S = 300.0


def processes(mark: str) -> list[int]:
    """Return the ids of this machine's processes that hold the mark in their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found += [int(path.parent.name)] if mark.encode() in path.read_bytes() else []
    return found


def parents(pid: int) -> list[int]:
    """Return the ids of a process's parents up to process 1; an orphan's is process 1 at once."""
    found: list[int] = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
        except OSError:
            break
        found.append(pid)
    return found


def jails(maker: int) -> int:
    """Return the number of jails' processes that a process made, or that have lost theirs.

    Other tests make jails at the same time.
    """
    above = map(parents, processes("jail/inside.py"))
    return sum(maker in each or len(each) < 3 for each in above)  # an orphan and its init


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Demand that no process and no folder of a jail outlives its run."""
    yield
    until = time.monotonic() + PATIENCE_S
    while (left := jails(os.getpid())) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


def test_a_program_that_ends_has_passed() -> None:
    assert run("x = sum(range(10))\nassert x == 45") == Verdict(
        reason="passed", detail="", cpu_seconds=pytest.approx(0, abs=1)
    )


@pytest.mark.parametrize(
    ("program", "reason", "detail"),
    [
        ("assert 1 == 2, 'no'", "error", "AssertionError: no"),
        ("def (:", "error", "SyntaxError"),
        ("input()", "error", "EOFError"),
        ("import sys; sys.exit(0)", "error", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "error", "KeyboardInterrupt"),
        ("import os; os._exit(0)", "exit", "status 0"),
        ("import os; os.kill(os.getpid(), 9)", "signal", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "signal", "SIGSEGV"),
        ("while True: pass", "cpu_time", "SIGXCPU"),
    ],
)
def test_the_verdict_says_how_a_program_ended(program: str, reason: str, detail: str) -> None:
    verdict = run(program, Limits(cpu_seconds=1, wall_seconds=PATIENCE_S))
    assert verdict.reason == reason
    assert detail in verdict.detail
    assert not verdict.passed


def test_a_program_that_waits_ends_too() -> None:
    assert run("import time; time.sleep(60)", Limits(wall_seconds=1)).reason == "wall_time"


HOSTILE = {
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "endless loop that ignores every signal": (
        "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: pass"
    ),
    "10 GB": "x = bytearray(10 << 30)\nx[::4096] = b'1' * len(x[::4096])",
    "network": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)",
    "deletion": "import os\nos.remove({path!r})",
    "a file beyond its share": "open('/tmp/x', 'wb').write(bytes(64 << 20))",
    "a write to the system": "import sys\nopen(sys.prefix + '/x', 'w')",
    "the parent's environment": "import os\nassert os.environ['STAGECOACH_SECRET']",
    "the parent's memory": "import os\nopen(f'/proc/{os.getppid()}/mem', 'rb')",
    "a mount": "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "a namespace of its own": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "a debugger": "import ctypes, os\nassert ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_fails_and_does_no_harm(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("here")
    monkeypatch.setenv("STAGECOACH_SECRET", "secret")
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env={"PYTHONUNBUFFERED": "1"},
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split("port ")[1].split()[0]
        verdict = run(HOSTILE[name].replace("{port}", port).replace("{path!r}", repr(str(victim))), SHORT)
        server.kill()
    assert not verdict.passed
    assert victim.read_text() == "here"


def test_what_a_program_starts_ends_with_it() -> None:
    daemon = (
        "import os, subprocess, sys\n"
        "if os.fork() == 0:\n    os.setsid()\n"
        f"    os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', {MARK!r}])\n"
        "import time; time.sleep(0.3)"
    )
    assert run(daemon).passed
    assert processes(MARK) == []


def test_a_jail_ends_with_the_process_that_made_it() -> None:
    code = "from stages.jail.jail import Limits, run; run('import time; time.sleep(600)', Limits(wall_seconds=600))"
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3]) as maker:
        until = time.monotonic() + PATIENCE_S
        while jails(maker.pid) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        assert jails(maker.pid) == 3
        maker.kill()


def test_a_program_sees_an_empty_machine() -> None:
    look = "import os\nraise SystemExit(' '.join(sorted(os.listdir('/tmp'))) + '|' + ' '.join(sorted(os.environ)))"
    files, variables = run(look).detail.removeprefix("SystemExit: ").split("|")
    assert {*files.split()} <= {
        part for part in Path(sys.prefix).parts for part in part.split()
    }  # Python may lie there
    assert set(variables.split()) <= {
        "PATH",
        "HOME",
        "LANG",
        "LC_CTYPE",
        "PYTHONHASHSEED",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    }


def test_packages_threads_and_processes_work() -> None:
    patient = Limits(wall_seconds=PATIENCE_S)
    assert run("import numpy\nassert numpy.arange(3).sum() == 3", patient).passed
    assert run("from multiprocessing import Pool\nassert Pool(2).map(abs, [-1, 2]) == [1, 2]", patient).passed
    assert run("import threading\nt = threading.Thread(target=print); t.start(); t.join()", patient).passed


def test_verdicts_come_in_the_order_of_the_programs() -> None:
    programs = ["import time; time.sleep(0.3)", "assert False", "pass"]
    assert [verdict.passed for verdict in run_all(programs, at_once=3)] == [True, False, True]


def test_a_machine_without_namespaces_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # 5 is no flag of unshare(2): the kernel refuses it as it refuses a namespace that is not allowed.
    broken = Path(jail.__file__).with_name("inside.py").read_text().replace("0x10000000 | 0x00020000", "5")
    monkeypatch.setattr(jail, "_command", lambda: [sys.executable, "-c", broken])
    with pytest.raises(JailError, match=r"cannot make a jail: .*unshare.* needs user namespaces"):
        run("pass")
    assert "user namespaces" in (jail.missing() or "")
