"""What the launcher asks before it spends: the cluster about each job, and the user about a large submission."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.advance import advance
from jobs.checks.answers import answers, judge_limits, limits, lines_of
from jobs.plan.cluster import AskAbove
from jobs.submit.reconcile import Actions
from jobs.upkeep.spending import Spending, spending
from stages.shared.errors import StagecoachError
from tests.jobs import made
from tests.jobs.fakes import TESTED, fake, write_fake
from tests.simulated.world import World

START = "sbatch: Job 7 to start at 2026-11-27T19:00:00 using 1 processors on nodes n1 in partition main"


def test_each_kind_of_element_is_asked_for_once_and_answers_become_sentences(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jobs = [made.job("a.x", 5), made.job("a.y", 5), made.job("b", 1, partition="gone"), made.job("c", 1, cpus=3)]
    fake(monkeypatch, tmp_path, "sbatch", "")
    refuse = 'case "$*" in *gone*) echo "sbatch: error: invalid partition specified: gone" >&2; exit 1;; esac'
    tested = write_fake(tmp_path / "bin", TESTED, f"{refuse}; echo '{START}' >&2")
    found = list(answers(made.slurm_cluster(), jobs))
    assert len(tested.calls()) == 3
    assert [(each.job, bool(each.refusal), each.start) for each in found] == [
        ("a.x", False, "2026-11-27T19:00:00"),
        ("a.y", False, "2026-11-27T19:00:00"),
        ("b", True, ""),
        ("c", False, "2026-11-27T19:00:00"),
    ]
    assert list(lines_of(found)) == [
        "b: Slurm would refuse it: invalid partition specified: gone",
        "Slurm takes the elements of 3 jobs; the first elements would start at 2026-11-27 19:00:00",
    ]


def test_a_limit_below_the_plan_is_told_with_the_number_of_waves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake(monkeypatch, tmp_path, "scontrol", "echo 'MaxJobCount = 500'; echo 'AccountingStorageType = (null)/none'")
    assert limits() == {"MaxJobCount": 500}
    (line,) = judge_limits(5232, {"MaxJobCount": 500, "MaxSubmitJobs": 9000})
    assert line.startswith("5,232 elements, but MaxJobCount is 500: `run --wait` submits them in at least 11 waves")
    fake(monkeypatch, tmp_path, "scontrol", "echo 'AccountingStorageType = accounting_storage/slurmdbd'")
    fake(monkeypatch, tmp_path, "sacctmgr", "echo 4000; echo; echo 300")
    assert limits() == {"MaxSubmitJobs": 300}


def test_a_submission_is_added_up_from_elements_cores_and_gpus() -> None:
    job = made.job("a", 4, ranks=8, ranks_per_node=4, cpus=2, gpus_per_node=4, units_per_element=2)
    found = spending(made.graph(job), Actions(submit={"a": tuple(job.units)}))
    assert found == Spending(2, pytest.approx(4 / 3600), pytest.approx(4 / 3600 / 16 * 2 * 4))
    limits = AskAbove(elements=1, core_hours=100, gpu_hours=0)
    assert Spending(2000, 5.0, 3.0).beyond(limits) == "2,000 elements, 3 GPU-hours"
    assert Spending(1, 100.0, 0.0).beyond(limits) == ""


def test_a_large_submission_needs_a_yes(world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    here = world()
    run = here.run()
    few = run.cluster.model_copy(update={"ask_above": AskAbove(elements=4)})
    object.__setattr__(run, "cluster", few)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(StagecoachError, match=r"nothing submitted: 5 elements is more than `ask_above`"):
        advance(run, heal=False, wait=False, yes=False)
    assert not here.slurm.arrays
    assert advance(run, heal=False, wait=False, yes=True) == 0
    assert len(here.slurm.arrays) == 2
