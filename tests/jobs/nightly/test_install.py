"""Installing nights from the command line: on a real Slurm as a chain of jobs, on a laptop in a crontab."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.nightly import chain
from jobs.nightly.schedule import Entry
from jobs.plan.cluster import load_cluster
from tests.jobs.bench import until
from tests.jobs.fakes import write_fake
from tests.jobs.toy_stage import Toy


def test_a_crontab_runs_the_night_that_was_installed(tmp_path: Path, code_root: Path) -> None:
    table = tmp_path / "table"
    table.touch()
    write_fake(tmp_path / "bin", "crontab", f"case $1 in -l) cat '{table}' ;; -) cat >'{table}' ;; esac")
    toy = Toy(code_root, tmp_path / "a home", environment={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})
    done = toy.launch("nightly", "--at", "03:30", "--command", "cat >>'rung it'")
    assert "toy: every night at 03:30 by cron" in done.stdout, done.stderr
    (line,) = (line for line in table.read_text().splitlines() if not line.startswith("#"))
    assert line.startswith("30 3 * * * ")
    subprocess.run(["/bin/sh", "-c", line.partition(" * * * ")[2]], check=True, cwd="/", env=toy.variables())
    assert "without an alarm" in (toy.run.root / "nightly.log").read_text()
    assert "every night" in toy.launch("nightly", "--at", "04:00").stdout
    assert table.read_text().count(" begin\n") == 1
    assert "the nights of toy have ended" in toy.launch("nightly", "--remove").stdout
    assert table.read_text() == ""
    assert "toy has no nights" in toy.launch("nightly", "--remove").stdout


def test_nights_by_slurm_follow_one_another_and_outlive_a_killed_one(
    tmp_path: Path, testbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in testbed.items():
        monkeypatch.setenv(name, value)
    cluster = load_cluster("testbed")
    notes = tmp_path / "notes"
    entry = Entry(
        run_id="0123456789ab",
        name="a sweep",
        at=(2, 0),
        folder=tmp_path,
        words=("bash", "-c", f'echo "$SLURM_JOB_ID" >>"{notes}"; exec sleep 600'),
        log=tmp_path / "night 1.log",
    )
    other = replace(entry, run_id="ba9876543210")

    def seen() -> list[str]:
        return notes.read_text().split() if notes.exists() else []

    try:
        first = chain.install(entry, cluster, tmp_path / "night.sh", "now")
        chain.install(other, cluster, tmp_path / "other.sh", "now+1hour")
        until(lambda: seen() == [first] and len(chain.jobs(entry.mark)) == 2, "the first night has a successor")
        subprocess.run(["scancel", "--signal=KILL", "--full", first], check=True)
        until(lambda: len(seen()) >= 2, "the second night came")
        assert len(set(seen())) == len(seen())
        assert chain.remove(entry.mark)
        until(lambda: not chain.jobs(entry.mark), "the nights have ended")
        assert chain.jobs(other.mark)
    finally:
        chain.remove(entry.mark)
        chain.remove(other.mark)
    assert not chain.remove(other.mark)
