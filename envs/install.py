"""Makes, continues, repairs and updates the Python environment. Calls venv and pip, nothing else."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from envs.levels import (
    CONSTRAINTS,
    LEVELS,
    MARK,
    SetupError,
    digest,
    find_python,
    fits,
    is_complete,
    missing,
    pins,
    python_of,
    read_mark,
    requirement_files,
    site_packages,
)

USUAL = {
    "launcher": "20 s, 60 MB",
    "stages": "2 to 4 minutes, 2.1 GB",
    "test": "2 to 4 minutes, 2.1 GB",
}
"""Time and size of each level without the download, measured on two cores."""
LOG = "stagecoach-install.log"
LOCK = "stagecoach.lock"
REMEDIES = (
    (r"No space left|quota exceeded", "Free some space, or set STAGECOACH_ENV to a folder on a larger disk."),
    (r"Permission denied|Read-only file", "Set STAGECOACH_ENV to a folder where you may write."),
    (
        r"NewConnectionError|name resolution|[Tt]imed? ?out|ProxyError|SSLError|Connection (refused|reset|broken)",
        "pip cannot reach its index: check the network and HTTPS_PROXY, or name a mirror in PIP_INDEX_URL.",
    ),
    (
        r"No matching distribution|Could not find a version",
        "pip's index does not have it: see `pip config list`, or name another index in PIP_INDEX_URL.",
    ),
    (r"ResolutionImpossible|conflicting dep", "The pins disagree: regenerate constraints.txt as envs/README.md says."),
)
"""Pattern in pip's output on failure, and the remedy. The first match is shown."""


def make(folder: Path, level: str) -> None:
    """Bring the environment in `folder` to `level`, from any state. Raises SetupError.

    Of two calls at once the second waits. The next call continues a call that was killed.
    """
    _say(f"Python environment for '{level}' in {folder}: usually {USUAL[level]}, once.")
    with _open_lock(folder) as lock:
        if is_complete(folder, level):
            _say("Another call has made it meanwhile.")
            return
        began = time.monotonic()
        _make_venv(folder, level)
        for half in damaged(folder):
            shutil.rmtree(half)  # without its dist-info folder pip installs the package again
        _install(folder, level, lock)
        if absent := missing(level, site_packages(folder)):
            raise SetupError(f"pip ended well but {', '.join(absent)} is not there: remove {folder} and retry")
        contained = [name for name in LEVELS if set(LEVELS[name]) <= set(LEVELS[level])]
        _write_mark(folder, {**read_mark(folder), **{name: digest(name) for name in contained}})
        _say(f"Ready after {_clock(time.monotonic() - began)}.")


def damaged(folder: Path) -> list[Path]:
    """Return the dist-info folders of packages with missing files, as after a kill or a clean-up."""
    found = []
    for site in map(Path, site_packages(folder)):
        for info in [*site.glob("*.dist-info"), *site.glob("~*")]:
            record = info / "RECORD"  # pip writes it last
            if info.name.startswith("~") or not record.is_file():
                found.append(info)
                continue
            with record.open(newline="", encoding="utf-8") as rows:
                files = [row[0] for row in csv.reader(rows) if row and not row[0].endswith(".pyc")]
            if not all((site / file).exists() for file in files):
                found.append(info)
    return found


@contextlib.contextmanager
def _open_lock(folder: Path) -> Iterator[IO[str]]:
    """Make the folder and hold its lock. Pip inherits it: other calls wait for a pip that outlives its call."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not any((folder / name).exists() for name in (LOCK, "pyvenv.cfg")):
            raise SetupError(f"{folder} is not empty and no Python environment: set STAGECOACH_ENV to a new folder")
        with (folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say("Another call is making it: waiting for its end.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
    except OSError as error:
        remedy = "set STAGECOACH_ENV to another folder"
        raise SetupError(f"cannot make an environment in {folder} ({error.strerror or error}): {remedy}") from error


def _make_venv(folder: Path, level: str) -> None:
    """Keep or make a virtual environment of a fitting Python. A broken one is replaced if we made it."""
    mark = read_mark(folder)
    is_ours = bool(mark.get("ours")) or not (folder / "pyvenv.cfg").exists()
    version = _version(python_of(folder))
    if version is not None and fits(level, version):
        _write_mark(folder, {"ours": is_ours})
        return
    if not is_ours:
        raise SetupError(
            f"{folder} is an environment that does not work for '{level}': set STAGECOACH_ENV to a new folder"
        )
    python = find_python(level)
    for entry in folder.iterdir():
        if entry.name != LOCK:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    _write_mark(folder, {"ours": True})
    made = subprocess.run(
        [python, "-m", "venv", str(folder)], env=_clean_env(), capture_output=True, text=True, check=False
    )
    if made.returncode:
        words = (made.stdout + made.stderr).strip().splitlines()[-3:]
        raise SetupError(f"{python} -m venv {folder} failed:\n" + "\n".join(words))


def _version(python: Path) -> tuple[int, ...] | None:
    """Return (major, minor) of an environment's Python; None if the Python or its pip does not run."""
    probe = [str(python), "-c", "import sys, pip; print(*sys.version_info[:2])"]
    try:
        done = subprocess.run(probe, env=_clean_env(), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(map(int, done.stdout.split()))


def _install(folder: Path, level: str, lock: IO[str]) -> None:
    pip = [str(python_of(folder)), "-m", "pip", "install", "--progress-bar=off", f"--constraint={CONSTRAINTS}"]
    commands = [[*pip, *(f"--requirement={file}" for file in requirement_files(level))]]
    if torch := pins(level).get("torch"):
        # First and by exact version: the resolver would download the newest torch with gigabytes of CUDA.
        commands.insert(0, [*pip, f"torch=={torch}"])
    for command in commands:
        _run_pip(command, folder / LOG, lock)


def _run_pip(command: list[str], log: Path, lock: IO[str]) -> None:
    """Run pip with one live line on the terminal; its whole output goes to `log`."""
    output: list[str] = []
    with log.open("a", encoding="utf-8") as file, _Progress() as progress:
        file.write(f"\n$ {shlex.join(command)}\n")
        file.flush()
        process = subprocess.Popen(
            command,
            env=_clean_env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            pass_fds=(lock.fileno(),),
        )
        with process:
            for line in process.stdout or ():
                output.append(line)
                file.write(line)
                file.flush()
                progress.note(line)
    if process.returncode:
        raise SetupError(_explain("".join(output), log))


def _explain(output: str, log: Path) -> str:
    remedy = next((advice for pattern, advice in REMEDIES if re.search(pattern, output)), "The log may name the cause.")
    words = [line for line in output.splitlines() if line.strip()][-6:]
    return "\n".join(["pip could not install:", *(f"    {line}" for line in words), f"{remedy} Full log: {log}"]) + (
        "\nThe same command continues where this one stopped."
    )


class _Progress:
    """Progress: one live line with the elapsed time on a terminal; in a log file, a line every 30 s."""

    def __init__(self) -> None:
        self._doing = "starting pip"
        self._collected = 0
        self._began = time.monotonic()
        self._live = sys.stderr.isatty()
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> _Progress:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._clock.join()
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def note(self, line: str) -> None:
        """Read one line of pip's output."""
        word, _, rest = line.strip().partition(" ")
        name = rest.split(" ")[0].rpartition("/")[2]
        if word == "Collecting":
            self._collected += 1
            self._doing = f"collecting {name} ({self._collected})"
        elif word == "Downloading":
            self._doing = f"downloading {rest.rpartition('/')[2]}"
        elif word == "Installing":
            self._doing = f"installing {line.count(',') + 1} packages, the longest step"

    def _tick(self) -> None:
        while not self._over.wait(0.5 if self._live else 30):
            line = f"  {_clock(time.monotonic() - self._began)}  {self._doing}"
            if self._live:
                sys.stderr.write(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}")
                sys.stderr.flush()
            else:
                _say(line)


def _clean_env() -> dict[str, str]:
    """Return the user's environment without the settings that make pip install into another folder."""
    elsewhere = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER")
    env = {key: value for key, value in os.environ.items() if key not in elsewhere}
    # deepspeed comes as source and can compile kernels; the project uses none of them.
    ours = {"DS_BUILD_OPS": "0", "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"}
    return {**env, **ours}


def _write_mark(folder: Path, mark: dict[str, object]) -> None:
    aside = folder / f"{MARK}.tmp"
    aside.write_text(json.dumps(mark, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    aside.replace(folder / MARK)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # stdout is for results such as --json
