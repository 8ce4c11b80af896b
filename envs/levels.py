"""The levels of the Python environment: their pins, their Pythons, and whether a folder or a path has them.

This file must parse and find another Python on Python 3.6, the `python3` of many clusters: hence the quoted annotations
and no `from __future__`. envs/bootstrap.py needs it before any package is there.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
REQUIREMENTS = REPO / "envs" / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"
"""Exact versions of all packages, indirect dependencies included: output of pip freeze (envs/README.md)."""
LEVELS = {
    "launcher": ("launcher",),
    "stages": ("launcher", "web", "train", "evaluate", "teacher", "pictures", "tools", "serve"),
    "test": ("launcher", "web", "train", "evaluate", "teacher", "pictures", "tools", "serve", "test"),
}
"""Requirement files of each level, smallest level first; a larger level contains the smaller ones."""
PYTHONS = {
    "launcher": ((3, 10), (3, 13)),
    "stages": ((3, 11), (3, 13)),
    "test": ((3, 11), (3, 13)),
}
"""First and last Python for which the pins of a level exist (numpy's and transformers' start at 3.11)."""
MARK = "stagecoach.json"
"""File in an environment's folder, written last: whether we made it, and the digest of each complete level."""


class SetupError(Exception):
    """The environment cannot be used or made. The message names the cause and the remedy."""


def missing(level: str, path: "list[str]") -> "list[str]":
    """Return the pins of `level` (name==version) that no folder of `path` holds. A local version (+cpu) is fine."""
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


def is_installed() -> bool:
    """Return whether this code was installed by pip, rather than cloned or copied."""
    return any(REPO.glob("stagecoach-*.dist-info"))


def env_folder() -> "Path | None":
    """Return the folder of the environment to make or use; None if STAGECOACH_ENV forbids making one."""
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
    """Return whether the environment in `folder` is complete for `level` with the current pins."""
    is_marked = read_mark(folder).get(level) == digest(level)
    return is_marked and os.access(python_of(folder), os.X_OK) and not missing(level, site_packages(folder))


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
        except (OSError, subprocess.CalledProcessError):  # no ensurepip, or a pyenv shim of an inactive version
            continue
        major, minor, path = words.decode().strip().split(" ", 2)
        if fits(level, (int(major), int(minor))):
            return path
    here = ".".join(map(str, sys.version_info[:3]))
    raise SetupError(
        f"'{level}' needs Python {python_range(level)} with modules venv and ensurepip; {sys.executable} is {here}, "
        "and PATH has no other. Install or load one: apt-get install python3.11-venv, module load python, conda"
    )


def python_range(level: str) -> str:
    """Return the first and the last Python that fits, as text."""
    first, last = (".".join(map(str, version)) for version in PYTHONS[level])
    return f"{first} to {last}"


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
