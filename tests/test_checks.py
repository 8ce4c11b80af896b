"""`python -m tests`: every check of CI runs to its end, and one that fails fails all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import __main__ as checks


@pytest.mark.parametrize("failing", [(), ("lint",), ("format", "tests")])
def test_every_check_runs_and_those_that_failed_are_named(
    failing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[list[str]] = []

    def note(command: list[str], cwd: Path, check: bool) -> subprocess.CompletedProcess[str]:
        called.append(command)
        name = list(checks.CHECKS)[len(called) - 1]
        return subprocess.CompletedProcess(command, int(name in failing))

    monkeypatch.setattr(subprocess, "run", note)
    assert checks.main() == (1 if failing else 0)
    assert called == [[sys.executable, *arguments] for arguments in checks.CHECKS.values()]
    said = capsys.readouterr().out
    assert said.split("failed: ")[1:] == ([f"{', '.join(failing)}\n"] if failing else [])
