"""Entries of cron and scrontab: one a run, replaced by the next, and nothing else of the table is touched."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.nightly.schedule import Entry, choose, cron_line, install, parse_time, remove, with_block
from jobs.plan.cluster import Cluster
from stages.shared.errors import ClusterError, ConfigError
from tests.jobs.fakes import fake

ENTRY = Entry(
    run_id="0123456789ab",
    name="sweep",
    at=(2, 5),
    folder=Path("/some where"),
    words=("python3", "launch.py", "nightly", "a b.yaml", "--once"),
    log=Path("/runs/sweep/nightly.log"),
)
LOCAL = Cluster(name="local", kind="local")
SLURM = Cluster(name="there", kind="slurm")
OTHERS = "MAILTO=me\n0 1 * * * /bin/backup # 100%\n"


def table(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str = "crontab", text: str = OTHERS) -> Path:
    """Put a stand-in on PATH that keeps its table in a file, as cron does."""
    path = folder / "table"
    path.write_text(text)
    body = f"case $1 in -l) cat '{path}' ;; -) cat >'{path}' ;; esac"
    fake(monkeypatch, folder, program, body)
    return path


def test_an_entry_is_put_in_replaced_and_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(monkeypatch, tmp_path)
    install("cron", ENTRY)
    first = path.read_text()
    assert first.startswith(OTHERS)
    assert first.count("nightly") == 4  # begin, the line with its log, end
    install("cron", replace(ENTRY, at=(3, 0)))
    assert path.read_text() == first.replace("5 2 * * *", "0 3 * * *")
    install("cron", replace(ENTRY, run_id="ffff"))
    assert path.read_text().count(" begin\n") == 2
    assert remove("cron", ENTRY.mark)
    assert not remove("cron", ENTRY.mark)
    assert remove("cron", replace(ENTRY, run_id="ffff").mark)
    assert path.read_text() == OTHERS


def test_options_of_scrontab_stand_before_the_line_and_go_with_it() -> None:
    lines = with_block("", ENTRY.mark, ["#SCRON --time=60", cron_line(ENTRY)]).splitlines()
    assert lines[1:3] == ["#SCRON --time=60", cron_line(ENTRY)]
    assert with_block("\n".join(lines), ENTRY.mark, []) == ""


def test_the_line_is_quoted_for_the_shell_and_for_cron(tmp_path: Path) -> None:
    odd = replace(ENTRY, folder=tmp_path, words=("echo", "100% $HOME `id`; 'x'"), log=tmp_path / "log 1")
    line = cron_line(odd)
    assert line.startswith("5 2 * * * cd ")
    assert "%" not in line.replace(r"\%", "")
    command = line.partition(" * * * ")[2].replace(r"\%", "%")  # as cron hands it over
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert (tmp_path / "log 1").read_text() == "100% $HOME `id`; 'x'\n"


@pytest.mark.parametrize("text", ["24:00", "2", "2:60", "02:00:00", "noon", "", "-1:00"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--at = .* must be a time of the day, for example 02:00"):
        parse_time(text)


def test_the_first_way_that_works_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert choose(None, SLURM) == "slurm"
    with pytest.raises(ConfigError, match=r"no crontab: call `nightly \.\.\. --once` by other means"):
        choose(None, LOCAL)
    with pytest.raises(ConfigError, match="has no Slurm"):
        choose("slurm", LOCAL)
    monkeypatch.setenv("PATH", f"/usr/bin:/bin:{Path(shutil.which('bash') or '/bin/bash').parent}")
    table(monkeypatch, tmp_path)
    assert choose(None, LOCAL) == "cron"
    fake(monkeypatch, tmp_path, "scrontab", "echo 'scrontab: error: scrontab is disabled on this cluster' >&2; exit 1")
    assert choose(None, SLURM) == "slurm"
    fake(monkeypatch, tmp_path, "scrontab", "echo 'no crontab for me' >&2; exit 1")
    assert choose(None, SLURM) == "scrontab"


def test_a_program_that_refuses_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path, "crontab", "[ $1 = -l ] || { echo 'bad minute' >&2; exit 1; }")
    with pytest.raises(ClusterError, match="crontab refused: bad minute"):
        install("cron", ENTRY)
