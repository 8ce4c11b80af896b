"""Checks of a Slurm: the judgements on what scontrol printed, and the questions put to a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.checks import scheduler
from jobs.checks.finding import Finding
from jobs.plan.cluster import Cluster, Resources

CONFIG = scheduler.parse_config(
    """Configuration data as of 2026-11-23T04:16:29
AccountingStorageType   = accounting_storage/none
AuthInfo                = socket=/run/munge.socket,cred_expire=10
DependencyParameters    = (null)
KillWait                = 30 sec
MaxArraySize            = 1001
PreemptType             = preempt/partition_prio
SLURM_VERSION           = 22.05.8
SlurmctldParameters     = preempt_send_user_signal
"""
)
PARTITIONS = scheduler.parse_partitions(
    "PartitionName=main Default=YES MaxTime=1-00:00:00 PreemptMode=OFF State=UP TRES=cpu=32,mem=250G\n"
    "PartitionName=cheap Default=NO MaxTime=UNLIMITED GraceTime=20 PreemptMode=REQUEUE State=UP\n"
    "PartitionName=rude Default=NO MaxTime=UNLIMITED GraceTime=0 PreemptMode=REQUEUE State=UP\n"
    "PartitionName=lossy Default=NO MaxTime=UNLIMITED GraceTime=0 PreemptMode=CANCEL State=UP\n"
    "PartitionName=closed Default=NO MaxTime=UNLIMITED PreemptMode=OFF State=DOWN\n"
)


def cluster(**settings: object) -> Cluster:
    return Cluster.model_validate({"name": "c", "kind": "slurm", **settings})


def shape(asked: Resources, of: Cluster | None = None) -> list[Finding]:
    return list(scheduler.judge_shape("train", asked, PARTITIONS, CONFIG, of or cluster()))


def test_the_output_of_scontrol_is_parsed() -> None:
    assert CONFIG["MaxArraySize"] == "1001"
    assert PARTITIONS["main"]["TRES"] == "cpu=32,mem=250G"
    assert scheduler.default_partition(PARTITIONS) == "main"


@pytest.mark.parametrize(
    ("text", "minutes"), [("1-00:00:00", 1440), ("00:30:00", 30), ("2-01:00:30", 2940.5), ("UNLIMITED", float("inf"))]
)
def test_slurms_times_in_minutes(text: str, minutes: float) -> None:
    assert scheduler.minutes(text) == minutes


def test_a_good_configuration_has_no_remedies() -> None:
    found = list(scheduler.judge_config(CONFIG, cluster()))
    assert {finding.level for finding in found} == {"ok"}
    assert "starts again after 10 s" in "".join(finding.what for finding in found)


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"MaxArraySize": "1"}, "fail", "arrays are switched off"),
        ({"MaxArraySize": "500"}, "fail", "max_array_size is 1000"),
        ({"KillWait": "2 sec"}, "warn", "KillWait leaves 2 s"),
        ({"DependencyParameters": "kill_invalid_depend"}, "warn", "a failed job cancels"),
    ],
)
def test_a_harmful_setting_of_the_controller_is_named(change: dict[str, str], level: str, words: str) -> None:
    found = scheduler.judge_config({**CONFIG, **change}, cluster(max_array_size=1000))
    bad = [finding for finding in found if finding.level != "ok"]
    assert [finding.level for finding in bad] == [level]
    assert words in bad[0].what
    assert bad[0].remedy


def test_the_delay_of_a_requeue_is_two_minutes_where_the_administrator_set_none() -> None:
    found = scheduler.judge_config({**CONFIG, "AuthInfo": "(null)"}, cluster())
    assert "starts again after 120 s" in "".join(finding.what for finding in found)


def test_a_secret_in_the_cluster_file_is_a_failure_and_is_not_repeated() -> None:
    (found,) = scheduler.judge_environment(cluster(environment={"HF_TOKEN": "hf_abc", "TOKENIZERS_PARALLELISM": "0"}))
    assert found.level == "fail"
    assert "HF_TOKEN" in found.what
    assert "hf_abc" not in found.what + found.remedy


@pytest.mark.parametrize(
    ("asked", "level", "words"),
    [
        (Resources(), "", ""),
        (Resources(partition="gpu"), "fail", "no partition 'gpu'"),
        (Resources(partition="main,gpu"), "fail", "no partition 'gpu'"),
        (Resources(partition="closed"), "fail", "is DOWN"),
        (Resources(time_min=1441), "fail", "ends jobs after 1-00:00:00"),
        (Resources(time_min=3), "fail", "may come 60 s early"),
        (Resources(partition="cheap"), "ok", "USR2, then TERM, then 20 s to save; requeued"),
        (Resources(partition="rude"), "warn", "without notice"),
        (Resources(partition="lossy"), "warn", "cancels preempted jobs"),
    ],
)
def test_a_partition_is_judged_for_the_jobs_of_a_shape(asked: Resources, level: str, words: str) -> None:
    found = shape(asked)
    assert [finding.level for finding in found] == ([level] if level else [])
    assert words in "".join(finding.what for finding in found)


def test_every_shape_of_the_cluster_file_is_checked_once() -> None:
    assert list(scheduler.shapes(cluster())) == ["data", "train", "small"]
    found = scheduler.shapes(cluster(defaults={"serve": {"cpus": 3}, "embed": {"cpus": 2}, "data": {"cpus": 4}}))
    assert {name: asked.cpus for name, asked in found.items()} == {
        "data": 4,
        "train": 1,
        "small": 1,
        "serve": 3,
        "embed": 2,
    }


def test_without_a_default_partition_one_must_be_named() -> None:
    partitions = {"cheap": PARTITIONS["cheap"]}
    (found,) = scheduler.judge_shape("data", Resources(), partitions, CONFIG, cluster())
    assert found.remedy == "Set defaults.data.partition: there are cheap"


def judged_node(asked: Resources, **change: object) -> list[Finding]:
    answer = {"time": 100.0, "host": "n1", "python": "3.11.7", "open_files": 20000, "memory_lock": -1}
    answer |= {"sees_runs": True, "may_write": True}
    return list(scheduler.judge_node("data jobs", {**answer, **change}, (99.0, 101.0), Path("/runs"), asked))


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({}, "ok", "writes in /runs"),
        ({"sees_runs": False}, "fail", "does not see /runs"),
        ({"may_write": False}, "fail", "may not write"),
        ({"time": 131.0}, "warn", "clock is 30 s off"),
        ({"time": 69.0}, "warn", "clock is 30 s off"),
        ({"open_files": 256}, "warn", "256 open files"),
        ({"memory_lock": 65536}, "warn", "locked memory"),
    ],
)
def test_a_nodes_answer_is_judged(change: dict[str, object], level: str, words: str) -> None:
    last = judged_node(Resources(gpus_per_node=8), **change)[-1]
    assert last.level == level
    assert words in last.what


@pytest.fixture
def slurm_here(testbed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in testbed.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(scheduler, "PATIENCE_S", 300)  # other tests' jobs may hold the nodes, and the machine be slow
    monkeypatch.setattr(scheduler, "LIMIT_S", 300)


def test_a_refusal_of_sbatch_is_shown_in_its_own_words(slurm_here: None) -> None:
    asked = Resources(cpus=9, time_min=10)
    found = scheduler.dry_submission("data", asked, cluster())
    assert found.level == "fail"
    assert "--cpus-per-task=9" in found.what
    assert "Requested node configuration is not available" in found.what


def test_a_python_that_the_nodes_do_not_have_is_a_failure(slurm_here: None, tmp_path: Path) -> None:
    asked = Resources(partition="urgent", mem_gb=0)
    (found,) = scheduler.node("data jobs", asked, cluster(python="/no/such/python"), tmp_path)
    assert found.level == "fail"
    assert "/no/such/python does not run there" in found.what


def test_without_slurm_the_only_finding_is_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = scheduler.findings(cluster(), tmp_path)
    assert found.level == "fail"
    assert "--cluster local" in found.remedy


def test_a_controller_that_does_not_answer_is_a_failure_in_its_own_words(
    slurm_here: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLURM_CONF", "/dev/null")
    (found,) = scheduler.findings(cluster(), tmp_path)
    assert found.level == "fail"
    assert "scontrol" in found.what
