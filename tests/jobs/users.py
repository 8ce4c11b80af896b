"""Two users of one machine: for tests as root, of who may do what with whose run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import launch

MALLORY = 1001
two_users = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of another user")
AS_USER = """
import contextlib, io, os, sys
sys.path.insert(0, {root!r})
import launch
uid, gid, *argv = sys.argv[1:]
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    launch.main(["status", "/nowhere/run"])  # imports what the user could not: a Python may be root's alone
os.setgroups([]); os.setgid(int(gid)); os.setuid(int(uid))
sys.exit(launch.main(argv))
"""


def as_user(
    uid: int, *argv: str, group: int | None = None, root: Path | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a verb of the code in `root`, by default this code, as another user, of a group of its own by default."""
    code = AS_USER.format(root=str(root or Path(launch.__file__).parent))
    command = [sys.executable, "-c", code, str(uid), str(uid if group is None else group), *argv]
    variables = {**os.environ, **(environment or {})}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def open_to_all(folder: Path) -> None:
    """Let everybody read what is below a test's folder."""
    for path in (*(each for each in folder.parents if each.stat().st_uid == 0), folder, *folder.rglob("*")):
        if not path.stat().st_mode & 0o004:
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
