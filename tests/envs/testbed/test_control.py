"""The testbed is a real Slurm: these tests run jobs on it, and break testbeds of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envs.testbed import conf, control, daemons

ROOT = Path(__file__).resolve().parents[3]


def slurm(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


PATIENCE_S = 300.0


def wait_until(is_true: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < PATIENCE_S, "waited too long"
        time.sleep(0.1)


@pytest.fixture
def own(testbed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder of a testbed that the test may break; the shared one only says that Slurm is here."""
    folder = Path(tempfile.mkdtemp(prefix="sc-testbed-", dir="/tmp"))  # a munge socket wants a short path
    monkeypatch.setenv("STAGECOACH_TESTBED", str(folder))
    yield folder
    control.down()
    assert not daemons.running(folder)
    shutil.rmtree(folder)


def test_srun_reaches_all_four_nodes(testbed: dict[str, str]) -> None:
    done = slurm(testbed, "srun", "--nodes=4", "--ntasks=4", "printenv", "SLURMD_NODENAME")
    assert sorted(done.stdout.split()) == list(conf.NODES), done.stderr


def test_arrays_end_at_a_size_that_tests_can_reach(testbed: dict[str, str]) -> None:
    submit = ("sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true")
    fits = slurm(testbed, *submit, "--array=0-10")
    assert fits.returncode == 0, fits.stderr
    slurm(testbed, "scancel", fits.stdout.strip())
    assert "Invalid job array specification" in slurm(testbed, *submit, "--array=0-11").stderr


def test_an_urgent_job_preempts_and_the_other_starts_again_within_seconds(
    testbed: dict[str, str], tmp_path: Path
) -> None:
    log, script = tmp_path / "log", tmp_path / "job.sh"
    script.write_text(
        "#!/bin/bash\n"
        f"echo started ${{SLURM_RESTART_COUNT:-0}} >> {log}\n"
        "[ -z ${SLURM_RESTART_COUNT:-} ] || exit 0\n"
        """srun bash -c 'trap "echo asked to stop; exit 85" USR2; echo ready; while sleep 0.1; do :; done' """
        f">> {log} &\n"
        "trap : USR2 TERM\n"
        "wait; wait\n"
        "scontrol requeue $SLURM_JOB_ID\n"
    )
    options = ("--partition=preempt", "--requeue", "--signal=USR2@60", "--output=/dev/null", "--exclusive", "--nodes=4")
    job = slurm(testbed, "sbatch", "--parsable", *options, str(script)).stdout.strip()
    try:
        wait_until(lambda: log.exists() and "ready" in log.read_text())
        urgent = slurm(testbed, "srun", "--partition=urgent", "--nodes=4", "true")
        assert urgent.returncode == 0, urgent.stderr
        assert "asked to stop" in log.read_text()
        wait_until(lambda: "started 1" in log.read_text())
    finally:
        slurm(testbed, "scancel", job)


def test_up_twice_changes_nothing_and_down_leaves_no_process(own: Path) -> None:
    environment = control.up()
    first = daemons.running(own)
    assert control.up() == environment == {"SLURM_CONF": str(own / "slurm.conf")}
    assert daemons.running(own) == first
    assert len(first) == 6
    slurm(environment, "sbatch", "--nodes=4", "--output=/dev/null", "--wrap=srun sleep 600")
    wait_until(lambda: len(daemons.offspring(own)) >= 4)
    assert control.down()
    assert not daemons.running(own)
    assert not daemons.offspring(own)
    assert not control.down()


def test_killed_daemons_come_back_with_up_and_the_queue_survives(own: Path) -> None:
    environment = control.up()
    slurm(environment, "sbatch", "--hold", "--job-name=kept", "--output=/dev/null", "--wrap=true")
    saved = own / "state" / "job_state"
    wait_until(lambda: saved.exists() and b"kept" in saved.read_bytes())
    before = daemons.running(own)
    for name in ("slurmd-n3", "slurmctld"):
        os.kill(before[name], signal.SIGKILL)
    wait_until(lambda: len(daemons.running(own)) == 4)
    assert not control.is_up()
    control.up()
    assert daemons.running(own)["slurmd-n1"] == before["slurmd-n1"]
    assert slurm(environment, "squeue", "--noheader", "--format=%j").stdout.strip() == "kept"
    assert slurm(environment, "srun", "--nodelist=n3", "printenv", "SLURMD_NODENAME").stdout.strip() == "n3"


def test_after_a_power_cut_it_comes_up_on_other_ports_and_no_job_id_is_given_twice(own: Path) -> None:
    def submit() -> int:
        return int(slurm(environment, "sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true").stdout)

    def port() -> int:
        return int(re.findall(r"^SlurmctldPort=(\d+)$", (own / "slurm.conf").read_text(), re.MULTILINE)[0])

    environment = control.up()
    job, taken = submit(), port()
    for pid in daemons.running(own).values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not daemons.running(own))
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("", taken))
        squatter.listen()
        assert control.up() == environment
        assert port() != taken
        after_cut = submit()
    control.down()
    control.up()
    assert job < after_cut < submit()
    assert len(slurm(environment, "squeue", "--noheader").stdout.splitlines()) == 1


def test_a_daemon_that_cannot_start_is_an_error_with_its_last_lines(
    own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = tmp_path / "slurm.conf.in"
    wrong.write_text(conf.TEMPLATE.read_text() + "NoSuchParameter=1\n")
    monkeypatch.setattr(conf, "TEMPLATE", wrong)
    with pytest.raises(control.TestbedError, match=r"slurmctld.* ended at once[^$]*NoSuchParameter"):
        control.up()
    assert not daemons.running(own)


def test_a_borrowed_testbed_goes_down_with_its_last_borrower(own: Path) -> None:
    with control.borrow():
        with control.borrow():
            control.up()  # as the launcher does: it does not make it anybody's to keep
        assert control.is_up()
    assert not daemons.running(own)


def test_one_that_was_up_before_stays_up(own: Path) -> None:
    control.up()
    with control.borrow() as environment:
        assert environment == control.environment()
    assert control.is_up()


def test_the_command_line_says_how_it_stands_from_any_folder(own: Path, tmp_path: Path) -> None:
    def call(verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "envs" / "testbed"), verb]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert call("status").returncode == 1
    assert f"export SLURM_CONF={own}/slurm.conf" in call("up").stdout
    assert "n[1-4]" in call("status").stdout
    assert call("down").stdout == "The testbed is down.\n"
    assert call("down").stdout == "The testbed was down already.\n"


@pytest.mark.parametrize("folder", ["relative", "/tmp/with space", "/tmp/" + 90 * "x", "/tmp/a#b"])
def test_a_folder_that_slurm_cannot_use_is_refused(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGECOACH_TESTBED", folder)
    with pytest.raises(control.TestbedError, match="STAGECOACH_TESTBED"):
        control.home()


def test_without_slurm_and_without_the_right_to_install_it_says_what_to_ask_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("envs.testbed.packages.SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr("envs.testbed.packages.can_install", lambda: False)
    with pytest.raises(control.TestbedError, match=r"no munged.* apt-get install .* slurm-wlm munge"):
        control.up()
