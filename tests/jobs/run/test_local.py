"""The local cluster for real: whole journeys, failures, kills at the worst moment, Ctrl-C, hostile names."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jobs.run.local import LocalRun
from tests.jobs import made
from tests.jobs.bench import PATIENCE_S, until
from tests.jobs.toy_stage import Toy

WHOLE = "hello 0\nhello 1\nhello 2\n3 paces\n"
EACH_ONCE = {"make.0": 1, "make.1": 1, "make.2": 1, "march.0": 1, "gather.0": 1}
HOSTILE = 'it\'s "a run"\nof $(touch pwned) 100%j'


def processes(toy: Toy) -> list[str]:
    """Return the command lines of processes that work on the run."""
    found = subprocess.run(["pgrep", "-af", str(toy.run.root)], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def test_a_journey_runs_to_its_end_and_a_second_call_does_nothing(toy: Toy) -> None:
    first = toy.launch("run")
    assert first.returncode == 0, first.stderr
    assert (toy.gathered(), toy.calls()) == (WHOLE, EACH_ONCE)
    assert "toy is finished" in first.stdout
    second = toy.launch("run")
    assert second.returncode == 0
    assert f"Nothing to do: toy is finished in {toy.run.root}" in second.stdout
    assert toy.calls() == EACH_ONCE
    assert not processes(toy)
    files = [path for path in toy.run.root.rglob("*") if "code" not in path.parts]
    assert not [path for path in files if path.stat().st_mode & 0o077], "files of a run are the user's own"


def test_a_unit_reads_its_own_parts_and_a_part_that_failed_holds_back_it_alone(toy: Toy) -> None:
    toy.settings["shares"] = 2
    toy.mood("share.1", "fail the ink is dry")
    assert toy.launch("run").returncode != 0
    assert toy.calls() == {**EACH_ONCE, "share.0": 1, "share.1": 1, "mend.1": 1, "mend.2": 1}
    toy.mood("share.1", "")
    assert toy.launch("heal").returncode == 0
    assert toy.calls()["mend.0"] == 1
    mended = [path.read_text() for path in sorted(toy.run.root.glob("steps/toy.mend/*/units/*/mended.txt"))]
    assert mended == ["hello 0/part-0-of-2\nhello 0/part-1-of-2\n", "", ""]


def test_a_changed_setting_runs_only_what_lies_downstream(toy: Toy) -> None:
    toy.launch("run")
    toy.settings["paces"] = 4
    planned = toy.launch("plan").stdout
    assert "reused" in planned
    assert "paces 3 -> 4" in planned
    assert toy.launch("run").returncode == 0
    assert toy.calls() == {**EACH_ONCE, "march.0": 2, "gather.0": 2}
    assert toy.gathered() == WHOLE.replace("3 paces", "4 paces")
    toy.settings["paces"] = 3
    assert "Nothing to do" in toy.launch("run").stdout, "what was made before is still there"


def test_a_failed_unit_is_reported_in_a_line_and_heal_runs_it_alone(toy: Toy) -> None:
    toy.mood("make.1", "fail the ink is dry")
    failed = toy.launch("run")
    assert failed.returncode == 1
    assert "toy.make/1 failed: RuntimeError: the ink is dry" in failed.stdout
    assert "launch.py heal toy" in failed.stdout
    assert toy.calls() == {"make.0": 1, "make.1": 1, "make.2": 1}, "the others went on, dependents did not"
    assert toy.launch("run").returncode == 1
    assert toy.calls()["make.1"] == 1, "run does not touch what has failed"
    toy.mood("make.1", "")
    assert toy.launch("heal").returncode == 0
    assert toy.calls() == {**EACH_ONCE, "make.1": 2}
    assert toy.gathered() == WHOLE


def test_heal_starts_a_failed_unit_again_after_what_it_waits_for_is_healed(toy: Toy) -> None:
    toy.mood("gather.0", "fail")
    assert toy.launch("run").returncode == 1
    for mark in toy.run.root.glob("steps/toy.march/*/done/*"):
        mark.unlink()
    toy.mood("march.0", "never")
    assert toy.launch("run").returncode == 1
    assert (toy.states("toy.march"), toy.states("toy.gather")) == ({"failed": 1}, {"failed": 1})
    for unit in ("march.0", "gather.0"):
        toy.mood(unit, "")
    healed = toy.launch("heal")
    assert healed.returncode == 0, healed.stdout
    assert toy.gathered() == WHOLE


def test_a_planted_kill_is_survived_without_anyones_help(toy: Toy) -> None:
    toy.settings = {"paces": 6}
    done = toy.launch("run", "--fault", "toy.march@3:kill", "--fault", "toy.make/2:kill")
    assert done.returncode == 0, done.stdout
    assert "killed by signal 9" in done.stdout
    assert toy.gathered() == WHOLE.replace("3 paces", "6 paces")
    assert toy.calls() == {**EACH_ONCE, "march.0": 2}
    assert len(list(toy.run.attempts.glob("toy.make/*.2.1.start.json"))) == 1, "make/2 was killed before its first word"


def test_a_crash_loop_stops_with_a_reason(toy: Toy) -> None:
    toy.mood("march.0", "stall")
    done = toy.launch("run")
    assert done.returncode == 1
    assert "toy.march/all failed after 3 attempts: crash loop: 3 attempts in a row without progress" in done.stdout
    assert toy.calls()["march.0"] == 3


def test_a_launcher_killed_midway_is_taken_up_again_without_doing_anything_twice(toy: Toy) -> None:
    toy.mood("march.0", "rest 2")
    launcher = toy.begin("run")
    until(lambda: toy.paces() == 2, "the march has begun")
    launcher.kill()
    launcher.wait()
    assert toy.status()["jobs"]["toy.march"]["counts"] == {"running": 1}, "its elements live on"
    toy.mood("march.0", "")
    done = toy.launch("run")
    assert done.returncode == 0, done.stdout
    assert toy.calls() == EACH_ONCE
    assert toy.gathered() == WHOLE


def test_elements_that_died_with_their_launcher_are_started_again(toy: Toy) -> None:
    toy.mood("march.0", "rest 2")
    launcher = toy.begin("run")
    until(lambda: toy.paces() == 2, "the march has begun")
    launcher.kill()
    for line in processes(toy):
        os.kill(int(line.split()[0]), signal.SIGKILL)
    launcher.wait()
    until(lambda: not processes(toy), "all are gone")
    status = toy.launch("status")
    assert status.returncode == 1
    assert "toy.march/all lost: ended without a word" in status.stdout
    toy.mood("march.0", "")
    assert toy.launch("run").returncode == 0
    assert toy.gathered() == WHOLE


def test_ctrl_c_saves_and_stops_and_the_next_call_goes_on_from_there(toy: Toy) -> None:
    toy.settings = {"paces": 6}
    toy.mood("march.0", "rest 3")
    launcher = toy.begin("run")
    until(lambda: toy.paces() == 3, "the march has begun")
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(timeout=PATIENCE_S) != 0
    assert not processes(toy), "nothing is left behind"
    assert toy.paces() == 3
    said = (toy.home / "launcher.log").read_text(encoding="utf-8")
    assert "asked to save" in said
    assert toy.launch("run").returncode == 0
    assert toy.gathered() == WHOLE.replace("3 paces", "6 paces")
    assert toy.calls() == {**EACH_ONCE, "march.0": 2}


def test_what_waits_for_a_core_is_queued_and_a_second_launcher_is_refused(toy: Toy) -> None:
    toy.cluster["cores"] = 1
    toy.mood("make.0", "wait")
    launcher = toy.begin("run")
    until(lambda: toy.calls()["make.0"], "the first unit is at work")
    assert toy.states("toy.make") == {"running": 1, "queued": 2}
    refused = toy.launch("run")
    assert refused.returncode == 2
    assert "another launcher is at work on 'toy'" in refused.stderr
    assert "Traceback" not in refused.stderr
    cancelled = toy.launch("cancel")
    assert "3 units of toy cancelled" in cancelled.stdout
    assert launcher.wait(timeout=PATIENCE_S) == 1
    assert not processes(toy)
    assert toy.states("toy.make") == {"cancelled": 3}
    toy.mood("make.0", "")
    assert toy.launch("run").returncode == 0
    assert toy.gathered() == WHOLE


def test_cores_are_shared_and_throttle_is_kept(toy: Toy) -> None:
    toy.cluster = {**toy.cluster, "cores": 4, "defaults": {"data": {"cpus": 1, "throttle": 2}}}
    for place in range(3):
        toy.mood(f"make.{place}", "wait")
    launcher = toy.begin("run")
    until(lambda: sum(toy.calls().values()) == 2, "two are at work")
    time.sleep(0.6)
    assert sum(toy.calls().values()) == 2
    for place in range(3):
        toy.mood(f"make.{place}", "")
    assert launcher.wait(timeout=PATIENCE_S) == 0


def test_several_ranks_and_packed_units_give_the_same(toy: Toy) -> None:
    toy.settings = {"walkers": 2}
    toy.environment.update(SLURM_PROCID="0", SLURM_ARRAY_TASK_ID="7", SLURMD_NODENAME="n1")  # in someone's allocation
    toy.recipe = {"resources": {"toy.make": {"units_per_element": 2}}}
    done = toy.launch("run")
    assert done.returncode == 0, done.stdout
    assert toy.gathered() == WHOLE
    assert len(list(toy.run.attempts.glob("toy.make/*.start.json"))) == 2


def test_units_share_the_start_of_a_process_and_every_core_gets_its_share(toy: Toy) -> None:
    toy.settings = {"units": 7}
    toy.recipe = {"resources": {"toy.make": {"units_per_element": 64}}}
    done = toy.launch("run")
    assert done.returncode == 0, done.stdout
    assert set(toy.calls().values()) == {1}
    starts = toy.run.attempts.glob("toy.make/*.start.json")
    assert sorted(len(json.loads(start.read_text())["units"]) for start in starts) == [3, 4]


def test_a_time_limit_leads_to_a_save_and_the_rest_is_done_after_it(toy: Toy) -> None:
    toy.mood("march.0", "rest 2")
    toy.recipe = {"resources": {"toy.march": {"time_min": 1}}}
    toy.cluster["signal_lead_s"] = 50
    done = toy.launch("run")
    assert done.returncode == 0, done.stdout
    assert toy.calls()["march.0"] >= 2
    assert "state saved (exit 85) at progress 2" in done.stdout
    assert toy.gathered() == WHOLE


def test_two_sections_chain_and_only_the_targets_are_made(toy: Toy) -> None:
    toy.settings = {"units": 1}
    toy.recipe = {
        "targets": ["second"],
        "second": {"stage": "toy", "words": "from:toy", "moods": str(toy.moods), "units": 1},
        "third": {"stage": "toy", "moods": str(toy.moods)},
    }
    assert toy.launch("run").returncode == 0
    assert toy.gathered("second") == "hello 0\nhello 0\n3 paces\n3 paces\n"
    assert not (toy.run.root / "steps" / "third.make").exists()


def test_a_hostile_name_from_the_first_unit_to_the_last(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> None:
    scratch = tmp_path_factory.mktemp("scratch")
    toy.environment["TMPDIR"] = str(scratch)
    toy.name = HOSTILE
    toy.home = toy.home / HOSTILE
    toy.mood("make.1", "fail")
    assert toy.launch("run").returncode == 1
    assert "heal 'it'" in toy.launch("status").stdout
    toy.mood("make.1", "")
    healed = toy.launch("heal")
    assert healed.returncode == 0, healed.stderr
    assert toy.gathered() == WHOLE
    logs = toy.launch("logs", "toy.make/1").stdout
    assert "toy.make/1: done" in logs
    assert not list(toy.home.parent.rglob("pwned"))
    assert not list(scratch.iterdir()), "submitit's files of a run with a % are swept up"
    assert {path.name for path in toy.home.parent.iterdir()} == {HOSTILE}
    assert {path.name for path in (toy.home / "runs").iterdir()} == {HOSTILE}


def test_the_code_that_was_submitted_is_the_code_that_runs(toy: Toy) -> None:
    toy.mood("march.0", "rest 2")
    launcher = toy.begin("run")
    until(lambda: toy.paces() == 2, "the march has begun")
    gather = toy.root / "stages" / "toy" / "run.py"
    original = gather.read_text(encoding="utf-8")
    try:
        gather.write_text("raise SystemError('edited while the jobs were waiting')\n", encoding="utf-8")
        toy.mood("march.0", "")
        assert launcher.wait(timeout=PATIENCE_S) == 0
    finally:
        gather.write_text(original, encoding="utf-8")
    assert toy.gathered() == WHOLE


def test_nothing_that_runs_outlives_a_launcher_whose_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made.a_run(tmp_path, made.graph(made.job("a.x", 1)))
    local = LocalRun(run, print, lambda states: None)
    ended: list[bool] = []

    def full(heal: bool) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/x")

    monkeypatch.setattr(local, "_loop", full)
    monkeypatch.setattr(local, "_wind_down", lambda: ended.append(True))
    with pytest.raises(OSError, match="No space left"):
        local.advance(heal=False)
    assert ended == [True]
