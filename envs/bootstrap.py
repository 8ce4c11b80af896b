"""Finds the Python environment, or makes it on first use, with pip and the standard library alone.

`launch.py` calls `reexec` before it imports anything else of the project. The environment is the first of these: the
running Python, if it has the pins of envs/requirements; the folder in STAGECOACH_ENV; .venv in the repository.
STAGECOACH_ENV=none forbids making one. Code that pip installed makes none: its environment is pip's. envs/install.py
makes it.

Like envs/levels.py, this file must parse on Python 3.6.
"""

import os
import shlex
import sys
from pathlib import Path

from envs.levels import (
    CONSTRAINTS,
    REPO,
    SetupError,
    env_folder,
    find_python,
    fits,
    is_complete,
    is_installed,
    missing,
    python_of,
    python_range,
    requirement_files,
)

GUARD = "STAGECOACH_REEXEC"
"""Environment variable: the Python that the previous call switched to. Prevents an endless loop of switches."""


def reexec(level: str, argv: "list[str]") -> None:
    """Continue in a Python that has the pins of `level`. Returns if this one has them.

    Side effect: else replaces this process by `launch.py *argv` in that Python. Exits with one message on failure.
    """
    came_from = os.environ.pop(GUARD, None)
    try:
        python = ensure(level) if sys.version_info >= (3, 10) else find_python(level)
        if _is_this(python):
            return
        if came_from == python:
            raise SetupError(
                f"{python} is the environment, but does not use its own packages: remove its folder, retry"
            )
    except SetupError as error:
        sys.exit(f"launch.py: {error}")
    except KeyboardInterrupt:
        sys.exit("\nlaunch.py: interrupted; the same command continues where this one stopped")
    # Packages on PYTHONPATH would hide the pinned ones.
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    sys.stdout.flush()
    os.execve(python, [python, str(REPO / "launch.py"), *argv], {**env, GUARD: python})


def ensure(level: str) -> str:
    """Return the path of a Python that has the pins of `level` (a key of LEVELS).

    Side effect: makes the environment if it is missing. Else quick, and without network. Raises SetupError.
    """
    folder = env_folder()
    if folder is not None and is_complete(folder, level):
        return str(python_of(folder))
    lacking = missing(level, sys.path)
    # Inside our own environment a missing mark means an interrupted installation, whatever pins are there already.
    if not lacking and fits(level, sys.version_info[:2]) and folder != Path(sys.prefix).resolve():
        return sys.executable
    if folder is None:
        raise SetupError(_may_not_make(level, lacking))
    from envs import install  # noqa: PLC0415  (must not load on an old Python, and costs time on every other call)

    install.make(folder, level)
    return str(python_of(folder))


def _may_not_make(level: str, lacking: "list[str]") -> str:
    why = "" if is_installed() else "STAGECOACH_ENV=none, and "
    if not fits(level, sys.version_info[:2]):
        return f"{why}{sys.executable} is no Python {python_range(level)}"
    remedy = "Install them" if is_installed() else "Either unset STAGECOACH_ENV, or"
    return f"{why}{sys.executable} lacks {', '.join(lacking)}.\n{remedy}: {pip_command(level)}"


def pip_command(level: str) -> str:
    """Return the shell line that installs the pins of `level` into this Python's environment."""
    files = " ".join(f"-r {shlex.quote(str(path))}" for path in requirement_files(level))
    return f"{shlex.quote(sys.executable)} -m pip install {files} -c {shlex.quote(str(CONSTRAINTS))}"


def _is_this(python: str) -> bool:
    # Not realpath: the Python of a virtual environment is a link to the one it was made from.
    return os.path.abspath(python) == os.path.abspath(sys.executable)  # noqa: PTH100  (Path.resolve follows links)
