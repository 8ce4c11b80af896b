"""Checks of this machine: environment, cores, memory, shared memory, and two processes that communicate."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from envs import bootstrap, install, levels
from jobs.checks.finding import Finding

ABOUT = "this machine"
GB = 1e9
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
GLOO_CHECK = Path(levels.__file__).with_name("check_gloo.py")
GLOO_LIMIT_S = 120
"""Most of it is the import of torch: up to a minute from a cold network file system."""


def findings() -> Iterator[Finding]:
    """Yield the findings about this machine."""
    yield from environment()
    yield hardware("cores", len(os.sched_getaffinity(0)), 2, "Training and the units of other stages take turns.")
    yield hardware("GB of memory", round(memory_bytes() / GB, 1), 8, "The demo needs 4 GB; a real model needs more.")
    yield shared_memory()
    yield gloo()
    yield browser()


def environment() -> Iterator[Finding]:
    """Yield whether the stages' pinned packages are installed and complete, and for which Python."""
    here = f"Python {'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})"
    python = stages_python()
    if python is None:
        later = "The first `launch.py run` or `demo` makes it; `python3 envs stages` does so now."
        if levels.env_folder() is None:
            later = f"Install its packages: {bootstrap.pip_command('stages')}"
        yield Finding(ABOUT, "warn", f"{here} runs the launcher; no environment for the stages yet", later)
        return
    folder = Path(python).parent.parent
    broken = [info.name.partition("-")[0] for info in install.damaged(folder)]
    if broken and levels.read_mark(folder):
        remedy = f"Remove {folder / levels.MARK}: the next call then repairs the environment."
        yield Finding(ABOUT, "fail", f"{folder} lacks files of {', '.join(broken)}", remedy)
    else:
        yield Finding(ABOUT, "ok", f"Python environment with all {len(levels.pins('stages'))} pins in {folder}")


def stages_python() -> str | None:
    """Return the Python that has the stages' packages, if there is one yet."""
    folder = levels.env_folder()
    if folder is not None and levels.is_complete(folder, "stages"):
        return str(levels.python_of(folder))
    return None if levels.missing("stages", sys.path) else sys.executable


def hardware(unit: str, amount: float, wanted: float, why: str) -> Finding:
    """Return whether there is enough of a resource; `why` says who needs it."""
    return Finding(ABOUT, "ok" if amount >= wanted else "warn", f"{amount:g} {unit}", why if amount < wanted else "")


def memory_bytes(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes of memory that this process may use: the machine's, or its control group's if less."""
    words = (proc / "meminfo").read_text(encoding="ascii").split()
    total = int(words[words.index("MemTotal:") + 1]) * 1024
    limit = cgroups / "memory.max"
    text = limit.read_text(encoding="ascii").strip() if limit.is_file() else "max"
    return total if text == "max" else min(total, int(text))


def shared_memory(path: Path = Path("/dev/shm")) -> Finding:
    """Return whether processes of one node can share memory, which data loaders and checkpoint writers need."""
    if not path.is_dir():
        return Finding(ABOUT, "warn", f"no {path}", "Ask for a container or node with shared memory.")
    free = shutil.disk_usage(path).free
    remedy = "" if free >= GB else "In a container: --shm-size=2g (docker) or a bind of the host's /dev/shm."
    return Finding(ABOUT, "ok" if free >= GB else "warn", f"{free / GB:.1f} GB free in {path}", remedy)


def gloo() -> Finding:
    """Return whether two processes reduce a tensor over loopback, as training without CUDA does."""
    python = stages_python()
    if python is None:
        return Finding(ABOUT, "warn", "gloo not tried: torch is not installed yet", "Run the doctor again once it is.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    try:
        subprocess.run(
            [python, str(GLOO_CHECK), str(port)], capture_output=True, text=True, check=True, timeout=GLOO_LIMIT_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        words = str(error.stderr or error).strip().splitlines()[-1]
        remedy = "Allow connections to 127.0.0.1; where several interfaces confuse gloo, set GLOO_SOCKET_IFNAME=lo."
        return Finding(ABOUT, "fail", f"two processes cannot communicate through gloo: {words}", remedy)
    return Finding(ABOUT, "ok", f"two processes reduce a tensor through gloo ({time.monotonic() - began:.0f} s)")


def browser() -> Finding:
    """Return whether there is a browser to test the report in."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        return Finding(ABOUT, "ok", f"{found} to test the report in")
    return Finding(ABOUT, "ok", "no chromium: tests that open the report in a browser are skipped")
