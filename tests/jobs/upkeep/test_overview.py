"""`runs`: every run is in the list, also one that cannot be read."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

from jobs.display import PlainConsole
from jobs.upkeep.overview import RunLine, print_runs, run_lines
from tests.jobs.toy_stage import Toy


def test_runs_are_listed_with_how_far_they_are(toy: Toy) -> None:
    assert toy.launch("run").returncode == 0
    root = toy.home / "runs"
    (root / "broken").mkdir()
    (root / "broken" / "run.json").write_text("{")
    os.utime(root / "broken", (1, 1))
    command = toy.command("runs")[:-1]
    shown = subprocess.run(command, env=toy.variables(), capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["run", "toy", "broken"]
    assert "5 done" in lines[1]
    assert "not the record of a run" in shown.stdout


def test_an_empty_folder_has_no_runs(tmp_path: Path) -> None:
    assert list(run_lines([tmp_path, tmp_path / "gone"])) == []


def test_a_table_of_runs_fits_80_columns_and_cannot_steer_the_terminal() -> None:
    out = io.StringIO()
    lines = [RunLine(name="a\x1b[2J" * 9, folder="/f", owner="me", cluster="north", counts={"done": 5, "failed": 2})]
    print_runs(PlainConsole(file=out, width=80), lines)
    assert "\x1b" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 80
