"""The Python environment: found or made on first use, with pip alone and the standard library alone.

`launch.py` calls `reexec` before it imports anything else of the project. The environment is, in this order: the
Python that runs, if it has the pins of envs/requirements; else the folder that STAGECOACH_ENV names; else .venv in the
repository. STAGECOACH_ENV=none forbids making one, and code that pip installed makes none: its environment is pip's.
envs/install.py does the making.

This file must parse and find another Python on Python 3.6, the `python3` of many clusters: hence the quoted annotations
and no `from __future__`.
"""

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
REQUIREMENTS = REPO / "envs" / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"
"""The versions of all packages, dependencies of dependencies included: made by pip freeze (envs/README.md)."""
LEVELS = {
    "launcher": ("launcher",),
    "stages": ("launcher", "web", "train", "evaluate"),
    "test": ("launcher", "web", "train", "evaluate", "test"),
}
"""Requirement files of each level, smallest level first; a larger level contains the smaller ones."""
PYTHONS = {"launcher": ((3, 10), (3, 13)), "stages": ((3, 11), (3, 13)), "test": ((3, 11), (3, 13))}
"""First and last Python for which the pins of a level exist (numpy's and transformers' start at 3.11)."""
MARK = "stagecoach.json"
"""File in an environment's folder, written last: whether it is ours, and a digest of each complete level's pins."""
GUARD = "STAGECOACH_REEXEC"
"""Environment variable: the Python that the previous call became. It stops two Pythons from calling each other."""


class SetupError(Exception):
    """The environment cannot be used or made. The message has the reason and the remedy."""


def reexec(level: str, argv: "list[str]") -> None:
    """Continue in a Python that has the pins of `level`: return if this one has them, else replace this process.

    `argv` are the arguments of launch.py, without the program's name. Side effect: ends the process with one clear
    message on failure.
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
    # Packages on PYTHONPATH come before the pinned ones and would undo the pins.
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    sys.stdout.flush()
    os.execve(python, [python, str(REPO / "launch.py"), *argv], {**env, GUARD: python})


def ensure(level: str) -> str:
    """Return the path of a Python that has the pins of `level` (a key of LEVELS). Makes its environment if needed.

    Quick, and without network, where the environment is complete. Raises SetupError.
    """
    folder = env_folder()
    if folder is not None and is_complete(folder, level):
        return str(python_of(folder))
    lacking = missing(level, sys.path)
    # In our own environment a missing mark means an interrupted installation, even if all pins are there.
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
        return f"{why}{sys.executable} is no Python {_range(level)}"
    remedy = "Install them" if is_installed() else "Either unset STAGECOACH_ENV, or"
    return f"{why}{sys.executable} lacks {', '.join(lacking)}.\n{remedy}: {pip_command(level)}"


def pip_command(level: str) -> str:
    """Return the shell line that installs the pins of `level` into this Python's environment."""
    files = " ".join(f"-r {shlex.quote(str(path))}" for path in requirement_files(level))
    return f"{shlex.quote(sys.executable)} -m pip install {files} -c {shlex.quote(str(CONSTRAINTS))}"


def is_installed() -> bool:
    """Return whether this code was installed by pip, rather than cloned or copied."""
    return any(REPO.glob("stagecoach-*.dist-info"))


def missing(level: str, path: "list[str]") -> "list[str]":
    """Return the pins of `level` (name==version) that no folder of `path` holds; a local version (+cpu) counts."""
    found = _installed(path)
    return [f"{name}=={version}" for name, version in pins(level).items() if found.get(_normal(name)) != version]


def pins(level: str) -> "dict[str, str]":
    """Return the exact version of every package that the requirement files of `level` name."""
    found = {}
    for file in requirement_files(level):
        for line in file.read_text(encoding="utf-8").splitlines():
            match = re.match(r"([\w.-]+)(?:\[[\w,.-]+\])?==([\w.!]+)", line)
            if match:
                found[match.group(1)] = match.group(2)
    return found


def requirement_files(level: str) -> "list[Path]":
    """Return the requirement files of `level`."""
    return [REQUIREMENTS / f"{name}.txt" for name in LEVELS[level]]


def digest(level: str) -> str:
    """Return a short digest of the pins and constraints of `level`."""
    text = json.dumps(pins(level), sort_keys=True) + CONSTRAINTS.read_text(encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def env_folder() -> "Path | None":
    """Return the folder of the environment to make or use; None if none may be made."""
    named = os.environ.get("STAGECOACH_ENV", "")
    if named == "none" or is_installed():
        return None
    return Path(named).expanduser().resolve() if named else REPO / ".venv"


def python_of(folder: Path) -> Path:
    """Return the path of the Python in an environment's folder."""
    return folder / "bin" / "python"


def site_packages(folder: Path) -> "list[str]":
    """Return the folders into which the environment's pip installs."""
    return [str(path) for path in sorted(folder.glob("lib/python3*/site-packages"))]


def read_mark(folder: Path) -> "dict[str, object]":
    """Return the content of MARK: `ours`, and a digest for each complete level. Empty if there is no mark."""
    try:
        return dict(json.loads((folder / MARK).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def is_complete(folder: Path, level: str) -> bool:
    """Return whether the environment in `folder` has the mark and the packages of the present pins of `level`."""
    is_marked = read_mark(folder).get(level) == digest(level)
    return is_marked and python_of(folder).exists() and not missing(level, site_packages(folder))


def fits(level: str, version: "tuple[int, ...]") -> bool:
    """Return whether the pins of `level` exist for this Python, given as (major, minor)."""
    first, last = PYTHONS[level]
    return first <= version <= last


def find_python(level: str) -> str:
    """Return a Python for `level` that can make environments: this one if it fits, else one on PATH."""
    names = ["python3.11", "python3.12", "python3.13", "python3.10", "python3"]  # 3.11 is tested most
    probe = "import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1], sys.executable)"
    for candidate in [sys.executable] + [path for path in map(shutil.which, names) if path]:
        try:
            words = subprocess.check_output([candidate, "-c", probe], stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):  # no ensurepip, or pyenv's shim of an inactive version
            continue
        major, minor, path = words.decode().strip().split(" ", 2)
        if fits(level, (int(major), int(minor))):
            return path
    here = ".".join(map(str, sys.version_info[:3]))
    raise SetupError(
        f"'{level}' needs Python {_range(level)} with its venv and ensurepip modules; {sys.executable} is {here}, and "
        "nothing else on PATH will do. Install or load one: apt-get install python3.11-venv, module load python, conda"
    )


def _range(level: str) -> str:
    first, last = (".".join(map(str, version)) for version in PYTHONS[level])
    return f"{first} to {last}"


def _is_this(python: str) -> bool:
    # Not realpath: the Python of a virtual environment is a link to the one it was made from.
    return os.path.abspath(python) == os.path.abspath(sys.executable)  # noqa: PTH100  (Path.resolve follows links)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _installed(path: "list[str]") -> "dict[str, str]":
    """Return the version of each installed package, from the names of dist-info folders: quick, imports nothing."""
    found = {}
    for folder in reversed(path):  # the first folder on the path wins
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder or "."):  # noqa: PTH208  (several times faster than Path.iterdir)
                match = re.match(r"(.+?)-([^-+]+)(?:\+[^-]+)?\.dist-info$", entry)
                if match:
                    found[_normal(match.group(1))] = match.group(2)
    return found
