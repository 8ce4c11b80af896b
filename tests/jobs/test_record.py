"""The record of a run and its owner: damage is a sentence, and another user's run is looked at and nothing more."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import launch
from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster
from jobs.plan.recipe import make_recipe
from jobs.record import cluster_of, owner_of, read_record, user_name
from jobs.runs import Run, open_run, plan_run
from stages.shared.errors import ConfigError, DataError, StagecoachError
from tests.jobs.fakes import Fake, fake
from tests.jobs.made import write_tree
from tests.jobs.users import MALLORY, as_user, open_to_all, two_users

LOCAL = Cluster(name="local", kind="local")
THERE = Cluster(name="slurm", kind="slurm", max_array_size=1001)


def saved(folder: Path, cluster: Cluster = THERE, name: str = "theirs") -> Run:
    """Return a run that has a record, in a folder that everybody may read."""
    write_tree(folder, {"data/a.zst": "a"})
    values = {"name": "words", "tokenizer": {"documents": f"{folder}/data/*.zst", "vocab_size": 300}}
    run = plan_run(make_recipe(values), cluster, folder / "runs", name, words=("run", "words.yaml"))
    run.paths.root.mkdir(parents=True)
    run.save()
    return run


def give_to(uid: int, folder: Path) -> None:
    """Make another user the owner of a folder and all that is in it, as if that user had made it."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)
    record = folder / "run.json"
    if record.exists():
        record.write_text(json.dumps({**json.loads(record.read_text()), "owner": uid}))


def an_empty_queue(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Fake:
    return fake(monkeypatch, folder, "squeue", "")


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[]", "3", "null", "\x00\x01", '{"format": 3, "recipe": []}', "[" * 9999]
)
@pytest.mark.parametrize("verb", ["status", "heal", "cancel", "logs", "report", "tune"])
def test_a_damaged_record_is_a_sentence_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, text: str
) -> None:
    run = saved(tmp_path)
    run.paths.run_json.write_text(text)
    assert launch.main([verb, str(run.paths.root), *(["tokenizer"] if verb == "logs" else [])]) == 2
    said = capsys.readouterr().err
    assert f"{run.paths.run_json}: " in said
    assert "writes it again" in said


def test_planning_the_run_again_replaces_a_damaged_record(tmp_path: Path) -> None:
    run = saved(tmp_path)
    run.paths.run_json.write_text("{")
    again = plan_run(run.recipe, run.cluster, tmp_path / "runs", "theirs")
    again.save()
    assert open_run([tmp_path / "runs"], "theirs").graph.jobs.keys() == run.graph.jobs.keys()


def test_a_record_without_the_files_of_an_input_names_the_setting(tmp_path: Path) -> None:
    run = saved(tmp_path)
    run.record["files"].clear()
    run.save()
    with pytest.raises(DataError, match=r"run\.json: the files of tokenizer\.documents are damaged"):
        open_run([tmp_path / "runs"], "theirs")


def test_a_record_of_another_format_is_no_damage(tmp_path: Path) -> None:
    run = saved(tmp_path)
    run.record["format"] = 1
    run.save()
    with pytest.raises(ConfigError, match="another version of Stagecoach"):
        read_record(run.paths)


def test_a_users_own_run_is_taken_as_it_is(tmp_path: Path) -> None:
    run = saved(tmp_path, Cluster(name="there", kind="slurm", environment={"A": "1"}, setup=("module load x",)))
    assert owner_of(run.paths, read_record(run.paths)) == os.geteuid()
    assert cluster_of(run.paths, read_record(run.paths)) == run.cluster


def test_a_run_whose_record_names_another_owner_is_not_trusted(tmp_path: Path) -> None:
    run = saved(tmp_path, Cluster(name="there", kind="slurm", environment={"PATH": "/evil"}, python="/evil/python"))
    run.record["owner"] = os.geteuid() + 1
    run.save()
    opened = open_run([tmp_path / "runs"], "theirs")
    assert (opened.cluster.environment, opened.cluster.python) == ({}, None)
    with pytest.raises(StagecoachError, match=r"belongs to .*`status`, `logs` and `tune` show it"):
        opened.require_own()


@two_users
@pytest.mark.parametrize("claims", [MALLORY, 0])
def test_looking_at_anothers_run_executes_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], claims: int
) -> None:
    evil = tmp_path / "evil"
    write_tree(evil, {"squeue": f"#!/bin/sh\ntouch {tmp_path}/pwned\n"})
    (evil / "squeue").chmod(0o755)
    ours = an_empty_queue(monkeypatch, tmp_path)
    before = dict(os.environ)
    run = saved(tmp_path, Cluster(name="slurm", kind="slurm", environment={"PATH": str(evil), "BASH_ENV": "/evil"}))
    give_to(MALLORY, run.paths.root)
    record = json.loads(run.paths.run_json.read_text())
    run.paths.run_json.write_text(json.dumps({**record, "owner": claims}))  # whatever the record says of itself
    assert launch.main(["status", str(run.paths.root)]) == 1
    assert not (tmp_path / "pwned").exists()
    assert dict(os.environ) == before
    assert f"--user={user_name(MALLORY)}" in ours.calls()[0]
    assert "BASH_ENV" not in ours.environments()[0]
    capsys.readouterr()


@two_users
@pytest.mark.parametrize("verb", ["heal", "cancel", "report"])
def test_no_verb_acts_on_anothers_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    squeue, sbatch = an_empty_queue(monkeypatch, tmp_path), fake(monkeypatch, tmp_path, "sbatch", "echo 7")
    run = saved(tmp_path)
    give_to(MALLORY, run.paths.root)
    assert launch.main([verb, str(run.paths.root)]) == 2
    assert f"belongs to {user_name(MALLORY)}" in capsys.readouterr().err
    assert squeue.calls() == sbatch.calls() == []
    assert sorted(path.name for path in run.paths.root.iterdir()) == ["run.json"]


@two_users
def test_a_run_folder_that_another_user_has_put_there_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    squat = tmp_path / "runs" / "squat" / "code"
    squat.mkdir(parents=True)
    give_to(MALLORY, squat.parent)
    assert launch.main(["run", "demo", "--cluster=local", "--name=squat", "--runs", str(tmp_path / "runs")]) == 2
    assert f"{squat.parent} belongs to {user_name(MALLORY)}" in capsys.readouterr().err
    assert list(squat.parent.iterdir()) == [squat]


@two_users
def test_a_link_to_a_run_is_its_authors(tmp_path: Path) -> None:
    run = saved(tmp_path)
    link = tmp_path / "runs" / "link"
    link.symlink_to(run.paths.root)
    assert owner_of(RunPaths(link)) == 0
    os.chown(link, MALLORY, MALLORY, follow_symlinks=False)
    assert owner_of(RunPaths(link)) == MALLORY


@two_users
def test_a_run_without_rights_to_read_it_is_a_sentence(tmp_path: Path) -> None:
    run = saved(tmp_path)
    open_to_all(tmp_path)
    run.paths.root.chmod(0o700)
    done = as_user(MALLORY, "status", str(run.paths.root))
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        f"launch.py status: {run.paths.run_json}: this user has no permission. Ask its owner, or use another folder\n"
    )


@two_users
def test_a_colleague_may_look_at_a_run_that_the_group_can_read(tmp_path: Path) -> None:
    run = saved(tmp_path, LOCAL)
    open_to_all(tmp_path)
    done = as_user(MALLORY, "status", str(run.paths.root))
    assert done.returncode == 1, done.stderr
    assert "1 missing" in done.stdout
    done = as_user(MALLORY, "heal", str(run.paths.root))
    assert (done.returncode, "belongs to root" in done.stderr) == (2, True), done.stderr


def test_the_lock_follows_no_link_and_empties_no_file(tmp_path: Path) -> None:
    run = saved(tmp_path)
    victim = tmp_path / "thesis.txt"
    victim.write_text("ten years of work")
    run.paths.lock.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"), run.lock():
        pass
    run.paths.lock.unlink()
    run.paths.lock.hardlink_to(victim)
    with pytest.raises(DataError, match="not a lock"), run.lock():
        pass
    run.paths.lock.unlink()
    os.mkfifo(run.paths.lock)
    with pytest.raises(DataError, match="not a lock"), run.lock():
        pass
    assert victim.read_text() == "ten years of work"


def test_a_run_that_others_may_change_needs_group_mode(tmp_path: Path) -> None:
    run = saved(tmp_path)
    run.paths.root.chmod(0o770)
    with pytest.raises(StagecoachError, match="others may write in this run"):
        run.require_own()
    shared = Cluster(name="slurm", kind="slurm", umask="007", shared=True)
    Run(run.paths, run.recipe, shared, run.graph, run.record).require_own()
    run.paths.root.chmod(0o777)
    with pytest.raises(StagecoachError, match="others may write"):
        Run(run.paths, run.recipe, shared, run.graph, run.record).require_own()


@two_users
def test_in_group_mode_a_colleague_acts_with_a_cluster_file_of_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Cluster(name="slurm", kind="slurm", umask="007", shared=True, setup=("touch pwned",))
    run = saved(tmp_path, theirs)
    give_to(MALLORY, run.paths.root)
    record = read_record(run.paths)
    assert not cluster_of(run.paths, record).shared  # ours has no group mode
    own = Cluster(name="slurm", kind="slurm", umask="007", shared=True, setup=("module load ours",))
    monkeypatch.setattr("jobs.record.known_clusters", lambda: [own])
    assert cluster_of(run.paths, record) == own
    open_run([tmp_path / "runs"], "theirs").require_own()


@pytest.mark.parametrize(
    ("umask", "shared"), [("007", False), ("002", False), ("077", True), ("000", True), ("7", False)]
)
def test_rights_of_others_are_asked_for_by_name(umask: str, shared: bool) -> None:
    with pytest.raises((ConfigError, ValueError), match="umask"):
        Cluster(name="there", kind="slurm", umask=umask, shared=shared)
