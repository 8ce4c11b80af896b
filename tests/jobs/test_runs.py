"""A run on disk: made from a recipe, opened again without it, and held by one launcher at a time."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.plan.cluster import Cluster
from jobs.plan.recipe import make_recipe, read_recipe
from jobs.runs import Run, is_alive, open_run, plan_run, run_roots
from jobs.submit.ledger import process_identity
from jobs.submit.snapshot import ROOT
from stages.shared.contract import whole_of
from stages.shared.errors import ConfigError, StagecoachError
from stages.shared.remote import RemoteError
from tests.jobs import made
from tests.jobs.made import write_tree

LOCAL = Cluster(name="local", kind="local")
HOSTILE = 'it\'s "a run"\nof $(touch pwned) [1]'


def planned(folder: Path, name: str | None = None, cluster: Cluster = LOCAL) -> Run:
    write_tree(folder, {"data/b.zst": "b", "data/a.zst": "a"})
    values = {"name": "words", "tokenizer": {"documents": f"{folder}/data/*.zst", "vocab_size": 300}}
    return plan_run(make_recipe(values), cluster, folder / "runs", name)


def test_planning_writes_nothing(tmp_path: Path) -> None:
    run = planned(tmp_path)
    assert list(run.graph.jobs) == ["tokenizer"]
    assert not (tmp_path / "runs").exists()
    assert {state.state for state in run.look()[1]["tokenizer"].values()} == {"missing"}


def test_a_run_without_its_path_list_can_be_planned_and_not_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    offline = Cluster(name="local", kind="local", crawl="http://127.0.0.1:9")
    recipe = make_recipe({"name": "mine", "web": {"inputs": "CC-MAIN-2024-10[:7]"}})
    said: list[str] = []
    journey = plan_run(recipe, offline, tmp_path, None, said.append)
    assert len(journey.graph.jobs["web.extract"].inputs["inputs"]) == 7
    assert len(said) == 1
    with pytest.raises(RemoteError):
        plan_run(recipe, offline, tmp_path, None)


def test_a_run_is_named_after_its_recipe_and_unless_local_its_cluster(tmp_path: Path) -> None:
    there = Cluster(name="there", kind="slurm")
    assert planned(tmp_path).name == "words"
    assert planned(tmp_path, cluster=there).name == "words-there"
    assert planned(tmp_path, "mine", there).name == "mine"


@pytest.mark.parametrize("name", ["a/b", "..", ".", "/abs", "nul\0"])
def test_a_name_that_is_no_folders_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="a folder name"):
        planned(tmp_path, name)


@pytest.mark.parametrize("name", ["words", HOSTILE])
def test_a_run_is_opened_by_name_with_the_same_jobs_though_its_files_have_changed(tmp_path: Path, name: str) -> None:
    run = planned(tmp_path, name)
    run.save()
    write_tree(tmp_path, {"data/a.zst": "changed", "data/c.zst": "new"})
    again = open_run([tmp_path / "runs"], name)
    assert again.graph.jobs["tokenizer"].roll == run.graph.jobs["tokenizer"].roll
    assert again.graph.jobs["tokenizer"].inputs == run.graph.jobs["tokenizer"].inputs
    assert (again.name, again.cluster) == (name, LOCAL)
    assert planned(tmp_path, name).graph.jobs["tokenizer"].inputs != run.graph.jobs["tokenizer"].inputs


def test_an_opened_run_has_the_units_of_the_run_that_was_planned(tmp_path: Path) -> None:
    run = plan_run(read_recipe("demo"), LOCAL, tmp_path, None)  # its report reads every section of the run
    run.save()
    opened = open_run([tmp_path], "demo")
    assert {name: list(job.units) for name, job in opened.graph.jobs.items()} == {
        name: list(job.units) for name, job in run.graph.jobs.items()
    }


def evaluation(folder: Path, minutes: float, checkpoints: int = 1) -> Run:
    """Plan PIQA on checkpoints that nothing describes: two hours on a core for 200,000 tokens and 1e9 parameters."""
    names = [f"data/step-{number}/weights" for number in range(checkpoints)]
    one_piece = "\n\x03\n\x01x"
    home = "hf/baber___piqa/default/0.0.0/x"
    splits = {"splits": {name: {"num_examples": 2000, "num_bytes": 800_000} for name in ("train", "validation")}}
    write_tree(folder, dict.fromkeys(names, "x"))
    write_tree(folder, {"data/tokenizer.model": one_piece, f"{home}/dataset_info.json": json.dumps(splits)})
    settings = {"checkpoints": f"{folder}/data/step-*", "tokenizer": f"{folder}/data/*.model"}
    values = {
        "name": "scores",
        "evaluate": {**settings, "tasks": ["piqa"], "datasets": f"{folder}/{home}"},
        "resources": {"evaluate": {"element_min": minutes}},
    }
    return plan_run(make_recipe(values), made.slurm_cluster(), folder / "runs", None)


def parts(run: Run) -> Counter[str]:
    """Return the number of parts of each unit."""
    answers = run.graph.jobs.get("evaluate.answers")
    return Counter(whole_of(unit.key) for unit in answers.units.values()) if answers else Counter()


def test_a_large_unit_keeps_the_parts_that_it_was_submitted_with(tmp_path: Path) -> None:
    first, second = (f"step-{number}/piqa" for number in range(2))
    assert not parts(evaluation(tmp_path, 120)), "a unit of that length stays whole"
    assert parts(evaluation(tmp_path, 10)) == {first: 13}
    run = evaluation(tmp_path, 20)
    assert parts(run) == {first: 7}, "what was only planned is not kept"
    run.save()
    opened = open_run([tmp_path / "runs"], run.name)
    assert {name: list(job.units) for name, job in opened.graph.jobs.items()} == {
        name: list(job.units) for name, job in run.graph.jobs.items()
    }
    after = evaluation(tmp_path, 10, checkpoints=2)
    assert parts(after) == {first: 7, second: 13}
    assert set(after.graph.jobs["evaluate.answers"].units) > set(run.graph.jobs["evaluate.answers"].units)


def test_a_run_may_be_opened_by_its_folder(tmp_path: Path) -> None:
    run = planned(tmp_path)
    run.save()
    assert open_run([Path("/nowhere")], str(run.paths.root)).paths == run.paths


def test_an_unknown_run_is_met_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is none yet"):
        open_run([tmp_path / "runs"], "wrods")
    planned(tmp_path).save()
    with pytest.raises(ConfigError, match="did you mean 'words'"):
        open_run([tmp_path / "runs"], "wrods")


def test_the_record_is_json_and_holds_the_recipe_and_the_cluster(tmp_path: Path) -> None:
    run = planned(tmp_path)
    run.save()
    record = json.loads(run.paths.run_json.read_text(encoding="utf-8"))
    assert record["recipe"]["tokenizer"]["vocab_size"] == 300
    assert record["cluster"]["name"] == "local"


def test_a_second_launcher_is_refused_and_sees_that_the_first_is_at_work(tmp_path: Path) -> None:
    run = planned(tmp_path)
    run.save()
    probe = (
        "import sys, pathlib; from jobs.runs import open_run\n"
        f"run = open_run([pathlib.Path({str(tmp_path / 'runs')!r})], 'words')\n"
        "print(run.look()[0].launcher_elsewhere, flush=True)\n"
        "with run.lock(): print('held', flush=True)"
    )
    command = [sys.executable, "-c", probe]
    with run.lock():
        assert not run.look()[0].launcher_elsewhere, "this process is no other"
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.stdout == "True\n"
        assert "StagecoachError: another launcher is at work on 'words'" in done.stderr
        with pytest.raises(StagecoachError):
            run.lock().__enter__()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("held\n"), done.stderr


def test_where_the_file_system_has_no_locks_the_record_keeps_a_second_launcher_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    run = planned(tmp_path)
    monkeypatch.setattr("fcntl.flock", no_locks)
    with run.lock():
        pass
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        run.paths.lock.write_text(process_identity(other.pid))
        with pytest.raises(StagecoachError, match="another launcher"):
            run.lock().__enter__()
    with run.lock():
        pass


def test_the_lock_of_a_launcher_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    run = planned(tmp_path)
    probe = (
        "import os, sys, pathlib; from jobs.runs import *; from jobs.paths import RunPaths\n"
        "here = Cluster(name='local', kind='local')\n"
        f"run = Run(RunPaths(pathlib.Path({str(run.paths.root)!r})), None, here, None, {{}})\n"
        "run.lock().__enter__(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == -9
    assert run.paths.lock.read_text()
    assert not run.look()[0].launcher_elsewhere
    with run.lock():
        pass


def test_an_attempt_is_alive_if_its_very_process_is() -> None:
    tried = made.attempt(made.submission("a.x", [(0,)]))
    mine = made.start_record(pid=os.getpid(), process=process_identity(os.getpid()))
    assert not is_alive(tried)
    assert is_alive(replace(tried, start=mine))
    assert not is_alive(replace(tried, start=replace(mine, process="another boot:1:1")))
    assert not is_alive(replace(tried, start=None))


def test_a_run_is_looked_for_in_every_folder_of_runs(tmp_path: Path) -> None:
    run = planned(tmp_path)
    run.save()
    assert open_run([tmp_path / "elsewhere", tmp_path / "runs"], "words").paths == run.paths


def test_runs_lie_where_one_says_or_else_the_cluster_file_or_else_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STAGECOACH_RUNS", raising=False)
    there = Cluster(name="there", kind="slurm", runs="/scratch/runs")
    assert run_roots(None, [LOCAL, there]) == [Path("/scratch/runs"), tmp_path / "runs"]
    monkeypatch.setenv("STAGECOACH_RUNS", "/variable")
    assert run_roots(None, [there]) == [Path("/variable")]
    assert run_roots("/asked", [there]) == [Path("/asked")]
    with pytest.raises(ConfigError, match="--runs = '': must be a folder"):
        run_roots("", [there])
