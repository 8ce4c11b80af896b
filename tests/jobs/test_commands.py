"""The launcher's commands as it prints them: they run as they stand."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from jobs.commands import LAUNCH, command


def test_a_command_is_quoted_for_a_shell_and_starts_this_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(LAUNCH.parent)
    assert command("heal", "it's") == """python3 launch.py heal 'it'"'"'s'"""
    monkeypatch.chdir(tmp_path)
    assert command("heal", "mine") == f"python3 {shlex.quote(str(LAUNCH))} heal mine"
    done = subprocess.run(["bash", "-c", command("--help")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
