"""A changed recipe: what a training goes on from, and what it leaves behind only when it is asked to."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.history import ASKED_HOURS, begun, changes, lines_of, require_consent
from jobs.marks import made_files
from jobs.plan.cluster import Cluster
from jobs.plan.forecasts import forecasts
from jobs.plan.recipe import make_recipe
from jobs.prune import remove, superseded
from jobs.runs import Run, open_run, plan_run
from jobs.submit.dispatch import new_submission, write_step, write_work
from stages.formats.attempts import PROGRESS, AttemptName, EndRecord, ProgressRecord, StartRecord, write_record
from stages.shared.errors import DataError, StagecoachError
from stages.shared.files import write_json
from tests.jobs.made import write_tree

LOCAL = Cluster(name="local", kind="local")


def planned(folder: Path, **settings: Any) -> Run:
    if not (folder / "data").exists():
        write_tree(folder, {"data/x.bin": "tokens", "data/x.model": "\n\x03abc"})  # one piece
    section = {"tokens": f"{folder}/data/x.bin", "tokenizer": f"{folder}/data/x.model", "steps": 600, **settings}
    return plan_run(make_recipe({"name": "a", "pretrain": section}), LOCAL, folder / "runs", None)


def began(run: Run, step: int, hours: float = 0.0, *, done: bool = False, ended: bool = True) -> None:
    """Record an attempt that trained up to a step."""
    job = run.graph.jobs["pretrain"]
    run.save()
    (unit,) = job.units
    submission = new_submission(job, ((unit,),), 1)
    write_step(run, job)
    write_work(run, job, submission, run.paths.code)
    name, now = AttemptName("pretrain", submission.key, 0, 0), time.time()
    start = StartRecord(fingerprint=job.fingerprint, units=("all",), started=now - hours * 3600)
    write_record(run.paths.attempts, name, start)
    write_record(run.paths.attempts, name, ProgressRecord(progress=step))
    if ended:
        end = EndRecord(ended=now, exit_code=0, verdict="done" if done else "requeue", reason="", progress=step)
        write_record(run.paths.attempts, name, end)
    paths = run.paths.step("pretrain", job.fingerprint)
    write_json(paths.lease(unit), {"owner": "x"})
    place = paths.unit(unit) if done else paths.work(unit) / "checkpoints"
    place.mkdir(parents=True)
    (place / "weights").write_bytes(b"x" * 1000)
    if done:
        write_json(paths.mark(unit), {"files": made_files(paths.unit(unit))})


def said(run: Run) -> list[str]:
    return [*lines_of(changes(run.paths, run.graph.jobs.values()))]


def history(run: Run) -> tuple[Any, Any]:
    config: Any = run.graph.jobs["pretrain"].config
    return config.earlier_steps, config.lr_schedule.plans


def test_raised_steps_go_on_with_the_plan_kept_or_made_anew(tmp_path: Path) -> None:
    began(planned(tmp_path), 600, done=True)
    longer = planned(tmp_path, steps=900)
    assert history(longer) == ((600,), (600,))
    assert said(longer) == ["pretrain: goes on after step 600 of what it did with earlier settings"]
    assert history(planned(tmp_path, steps=900, lr_schedule={"extend": "replan"})) == ((600,), (600, 900))
    assert history(planned(tmp_path, steps=900, lr=1e-3)) == ((), ())
    assert history(planned(tmp_path, steps=300)) == ((), ())
    began(longer, 900, done=True)
    assert said(planned(tmp_path, steps=900)) == []
    assert planned(tmp_path, steps=900).graph.jobs["pretrain"].fingerprint == longer.graph.jobs["pretrain"].fingerprint
    assert history(open_run([tmp_path / "runs"], "a")) == ((600,), (600,))
    assert history(planned(tmp_path, steps=1200)) == ((600, 900), (600,))


def test_a_rate_that_does_not_depend_on_the_end_needs_no_plan(tmp_path: Path) -> None:
    began(planned(tmp_path, lr_schedule={"shape": "constant"}), 600, done=True)
    assert history(planned(tmp_path, steps=900, lr_schedule={"shape": "constant"})) == ((600,), ())
    cooled = planned(tmp_path, steps=900, lr_schedule={"shape": "wsd", "decay_steps": 100})
    assert history(cooled) == ((600,), ())
    assert said(cooled) == ["pretrain: goes on after step 600 of what it did with earlier settings"]


def test_a_half_done_training_goes_on_too(tmp_path: Path) -> None:
    began(planned(tmp_path), 192)
    assert said(planned(tmp_path, steps=900)) == [
        "pretrain: goes on after step 192 of what it did with earlier settings"
    ]
    assert said(planned(tmp_path, checkpoint_keep_every=300)) == [
        "pretrain: goes on after step 192 of what it did with earlier settings"
    ]
    assert said(planned(tmp_path, checkpoint_keep_every=100)) == [
        "pretrain: goes on after step 99 of what it did with earlier settings",
        "pretrain: 93 done steps of earlier settings are not used (0.0 hours)",
    ]
    assert said(planned(tmp_path)) == []


@pytest.mark.parametrize("changed", [{"lr": 1e-3}, {"seed": 2}, {"layout": {"dp": 2}}, {"steps": 500}])
def test_what_is_left_behind_is_said_with_its_hours_and_asked_for_above_one(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    began(planned(tmp_path), 192, hours=1.5 * ASKED_HOURS)
    other = planned(tmp_path, **changed)
    assert said(other) == ["pretrain: 192 done steps of earlier settings are not used (1.5 hours)"]
    found = changes(other.paths, other.graph.jobs.values())
    require_consent(found, lambda lost: True)
    with pytest.raises(
        StagecoachError, match=r"192 done steps of pretrain \(1\.5 hours\) would not be used: set pretr"
    ):
        require_consent(found, lambda lost: False)


def test_a_short_or_finished_training_is_left_behind_unasked(tmp_path: Path) -> None:
    began(planned(tmp_path), 192, hours=0.5)
    began(planned(tmp_path, seed=3), 600, hours=5, done=True)
    other = planned(tmp_path, lr=1)
    found = changes(other.paths, other.graph.jobs.values())
    require_consent(found, lambda lost: False)


def hours_of(run: Run) -> float:
    """Return the hours that a plan shows."""
    jobs = run.graph.jobs.values()
    return forecasts(jobs, LOCAL, begun(run.paths, jobs, changes(run.paths, jobs)))["pretrain"].hours


def test_a_plan_counts_the_hours_of_the_steps_that_are_left(tmp_path: Path) -> None:
    whole = hours_of(planned(tmp_path))
    began(planned(tmp_path), 200)
    assert hours_of(planned(tmp_path)) == pytest.approx(whole * 400 / 600)
    assert hours_of(planned(tmp_path, steps=900)) == pytest.approx(whole * 700 / 600)
    assert hours_of(planned(tmp_path, seed=2)) == pytest.approx(whole)


def test_an_extensions_hours_are_those_behind_the_last_step(tmp_path: Path) -> None:
    whole = hours_of(planned(tmp_path))
    began(planned(tmp_path), 600, done=True)
    assert hours_of(planned(tmp_path, steps=900)) == pytest.approx(whole / 2)
    assert hours_of(planned(tmp_path, checkpoint_keep_every=600)) == 0
    assert hours_of(planned(tmp_path)) == pytest.approx(whole), "should its files be gone, nothing of it is used"


def test_a_training_that_cannot_start_from_another_of_the_run_is_refused_by_the_plan(tmp_path: Path) -> None:
    (first,) = [dict(planned(tmp_path).recipe.values["pretrain"])]

    def plan(**settings: Any) -> None:
        sections = {"first": {"stage": "pretrain", **first}, "second": {"stage": "pretrain", **first, **settings}}
        recipe = make_recipe({"name": "b", **sections, "targets": ["second"]})
        plan_run(recipe, LOCAL, tmp_path / "runs", None)

    more = {"continue_from": "from:first", "steps": 900}
    plan(**more)
    plan(**more, dtype="bf16", continue_with="weights")
    with pytest.raises(DataError, match=r"^first/step-600: a checkpoint of another model: dtype is 'fp32' there"):
        plan(**more, dtype="bf16")
    with pytest.raises(DataError, match=r"^first/step-600: a checkpoint of another model: model\.num_layers is"):
        plan(**more, model={"num_layers": 1})
    with pytest.raises(DataError, match=r"^first/.*: another shape than the recipe's\. Give the recipe's model"):
        plan(**more, model={"dim": 64, "num_heads": 2}, continue_with="weights")
    (tmp_path / "data" / "other.model").write_text("\n\x03xyz")
    with pytest.raises(DataError, match=r"^first/.*: trained with another tokenizer\. Set `tokenizer` to that of its"):
        plan(**more, tokenizer=f"{tmp_path}/data/other.model")


def test_other_data_leave_the_steps_behind(tmp_path: Path) -> None:
    began(planned(tmp_path), 192, hours=2)
    (tmp_path / "data" / "x.bin").write_text("others")
    for settings in ({}, {"steps": 900}):
        assert said(planned(tmp_path, **settings)) == [
            "pretrain: 192 done steps of earlier settings are not used (2.0 hours)"
        ]


def test_of_an_attempt_that_left_no_end_the_last_progress_counts(tmp_path: Path) -> None:
    run = planned(tmp_path)
    began(run, 192, hours=2, ended=False)
    (record,) = run.paths.attempts.glob(f"*/*.{PROGRESS}.json")
    os.utime(record, (time.time() - 1800,) * 2)
    assert "(1.5 hours)" in said(planned(tmp_path, lr=1e-3))[0]


def test_a_prune_takes_what_a_finished_training_no_longer_uses(tmp_path: Path) -> None:
    began(planned(tmp_path), 600, done=True)
    longer = planned(tmp_path, steps=900)
    longer.save()
    assert superseded(longer, longer.look()[1]) == []  # it goes on from there
    began(longer, 900, done=True)
    (unit,) = superseded(longer, longer.look()[1])
    assert (unit.job, unit.num_bytes) == ("pretrain", 1000)
    for step in (unit.step, longer.paths.step("pretrain", longer.graph.jobs["pretrain"].fingerprint)):
        step.shared.mkdir()
    remove(unit)
    assert not unit.step.shared.exists()
    assert step.shared.exists()
    again = planned(tmp_path, steps=900)
    assert superseded(again, again.look()[1]) == []
    assert {state.state for state in again.look()[1]["pretrain"].values()} == {"done"}
