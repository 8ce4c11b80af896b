"""Executables that stand in for Slurm's commands: real processes on PATH that note how they were called."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Fake:
    """One stand-in."""

    folder: Path
    name: str

    def calls(self) -> list[list[str]]:
        """Return the arguments of each call so far."""
        return [call["arguments"] for call in self._records()]

    def environments(self) -> list[dict[str, str]]:
        """Return the environment of each call so far."""
        return [call["environment"] for call in self._records()]

    def _records(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text("utf-8")) for path in sorted(self.folder.glob(f"{self.name}.call.*"))]


NOTE = """\
import json, os, pathlib, sys
folder, name, *arguments = sys.argv[1:]
number = len(list(pathlib.Path(folder).glob(name + ".call.*")))
text = json.dumps({"arguments": arguments, "environment": dict(os.environ)})
pathlib.Path(folder, f"{name}.call.{number:03d}").write_text(text, "utf-8")
print(number)
"""


TESTED = "sbatch-test-only"


def write_fake(folder: Path, name: str, body: str) -> Fake:
    """Write a stand-in to `folder`. The bash lines of `body` see the number of the call, from 0, in $call.

    `sbatch --test-only` is another command, `sbatch-test-only`, which takes everything unless a test writes it anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if name == "sbatch" and not (folder / TESTED).exists():
        write_fake(folder, TESTED, "true")
    (folder / "note.py").write_text(NOTE, encoding="utf-8")
    path = folder / name
    note = f"call=$('{sys.executable}' -S '{folder}/note.py' '{folder}' '{name}' \"$@\")"
    tested = f'[ "$1" = --test-only ] && exec \'{folder}/{TESTED}\' "$@"\n' if name == "sbatch" else ""
    path.write_text(f"#!/bin/bash\n{tested}{note}\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return Fake(folder, name)


def fake(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, body: str) -> Fake:
    """Write a stand-in and put it first on PATH."""
    made = write_fake(folder / "bin", name, body)
    if os.environ["PATH"].partition(":")[0] != str(made.folder):
        monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    return made
