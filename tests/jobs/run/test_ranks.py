"""The small srun: ranks start with their numbers, hear signals, and end together with the right code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.submit.snapshot import ROOT
from stages.shared.files import read_json
from tests.jobs.bench import PATIENCE_S, until


def ranks(count: int, body: str, folder: Path) -> subprocess.Popen[str]:
    """Start ranks that run Python lines, in which `rank` is their number and `here` a folder."""
    preamble = "import os, pathlib, signal, sys, time; rank = int(os.environ['STAGECOACH_RANK'])"
    script = folder / "rank.py"
    script.write_text(f"{preamble}\nhere = pathlib.Path({str(folder)!r})\n{body}\n", encoding="utf-8")
    command = [sys.executable, "-m", "jobs.run.ranks", str(count), sys.executable, str(script)]
    element = {"STAGECOACH_ELEMENT": "0", "STAGECOACH_RESTART": "0", "STAGECOACH_RANKS": str(count)}
    return subprocess.Popen([*command, str(folder), "a.x", "0001-ab"], cwd=ROOT, text=True, env=os.environ | element)


def code(process: subprocess.Popen[str]) -> int:
    return process.wait(timeout=PATIENCE_S)


def test_each_rank_has_its_number(tmp_path: Path) -> None:
    assert code(ranks(3, "(here / f'rank.{rank}').touch()", tmp_path)) == 0
    assert {path.name for path in tmp_path.glob("rank.?")} == {"rank.0", "rank.1", "rank.2"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(93 if rank == 1 else 0)", 93),
        ("sys.exit(85 if rank == 1 else 0)", 85),
        ("sys.exit(85 if rank == 0 else 1)", 1),
        ("os.kill(os.getpid(), signal.SIGKILL) if rank == 1 else time.sleep(600)", 137),
    ],
)
def test_the_code_is_the_first_bad_one(tmp_path: Path, body: str, expected: int) -> None:
    assert code(ranks(2, body, tmp_path)) == expected


def test_a_rank_that_fails_takes_a_hanging_one_with_it_after_a_grace() -> None:
    probe = (
        "import sys, jobs.run.ranks as r; r.GRACE_S = 0.3\n"
        'hang = \'import os, sys, time; time.sleep(600) if os.environ["STAGECOACH_RANK"] == "0" else sys.exit(3)\'\n'
        "sys.exit(r.run_ranks(2, [sys.executable, '-c', hang]))"
    )
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, timeout=PATIENCE_S, check=False).returncode == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_signals_reach_every_rank_and_all_may_save(tmp_path: Path, number: signal.Signals) -> None:
    body = (
        f"signal.signal({int(number)}, lambda *_: ((here / f'heard.{{rank}}').touch(), os._exit(85)))\n"
        "(here / f'ready.{rank}').touch()\ntime.sleep(600)"
    )
    process = ranks(2, body, tmp_path)
    for rank in range(2):
        until((tmp_path / f"ready.{rank}").exists, f"rank {rank} is ready")
    os.kill(process.pid, number)
    assert code(process) == 85
    assert all((tmp_path / f"heard.{rank}").exists() for rank in range(2))


def test_the_killed_rank_is_named_and_not_the_survivor_that_noticed(tmp_path: Path) -> None:
    body = (
        "(here / f'pid.{rank}').write_text(str(os.getpid()))\n"
        "while rank == 1: time.sleep(1)\n"
        "while not (here / 'pid.1').exists() or not (here / 'pid.1').read_text(): time.sleep(0.01)\n"
        "os.kill(int((here / 'pid.1').read_text()), signal.SIGKILL); sys.exit(1)  # as gloo does"
    )
    assert code(ranks(2, body, tmp_path)) == 137
    record = read_json(tmp_path / "ledger" / "attempts" / "a.x" / "0001-ab.0.0.trouble.json")
    assert (record["reason"], record["exit_code"]) == ("rank 1 was killed by signal 9", 137)
