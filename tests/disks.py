"""Small and read-only file systems, mounted for a test by root."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path, what: str) -> Iterator[None]:
    """Mount over a folder: itself, read-only, if `what` is `ro`; else an empty file system of that size.

    Skips the test where nothing can be mounted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = ["--bind", folder] if what == "ro" else ["-t", "tmpfs", "-o", f"size={what},mode=755", "tmpfs"]
    if subprocess.run(["mount", *words, folder], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here: this needs root")
    try:
        if what == "ro":
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
