"""What `run` and `heal` do after planning: follow a run, stop services that nobody needs, link the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from jobs import advance as module
from jobs.advance import advance
from jobs.plan.graph import Graph, Job
from jobs.runs import Run
from jobs.submit.ledger import Ledger, Submission, read_cancels, write_submission
from jobs.submit.slurm import comment_of
from stages.formats.kinds import KINDS
from stages.shared.contract import Output
from tests.jobs import made
from tests.jobs.fakes import Fake, fake
from tests.jobs.made import a_run, unit, write_done, write_tree


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCH_S", 0.0)


def squeue(monkeypatch: pytest.MonkeyPatch, folder: Path, answers: Sequence[str], *entries: Submission) -> Fake:
    """Make a queue that answers each call in turn, and then is empty. The comment `x` of a row is its submission's."""
    for entry in entries:
        comment = comment_of(made.RUN_ID, entry.key)
        answers = [re.sub(rf"({entry.slurm_id}_[^']*\|)x'", rf"\g<1>{comment}'", answer) for answer in answers]
    body = "\n".join(f'[ "$call" = {number} ] && {{ {answer}; }}' for number, answer in enumerate(answers))
    return fake(monkeypatch, folder, "squeue", f"{body}\ntrue")


def finish(run: Run, *jobs: str) -> None:
    for name in jobs:
        job = run.graph.jobs[name]
        for each in job.units:
            write_done(run.paths.step(name, job.fingerprint), each)


def test_following_a_run_outlives_a_controller_that_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path, made.graph(made.job("a.x")))
    entry = made.submission("a.x", [(0,)], 1, "4")
    write_submission(run.paths, entry)
    answers = ["echo '4_0|RUNNING|None|n1|0|x'", "echo 'Unable to contact slurm controller' >&2; exit 1", ":"]
    asked = squeue(monkeypatch, tmp_path, answers, entry)
    assert module._follow(run)[1]["a.x"][unit("a.x", 0)].state == "lost"
    assert len(asked.calls()) == 3


def service(name: str) -> Job:
    job = made.job(name)
    return replace(job, step=replace(job.step, is_service=True))


def test_a_service_whose_readers_are_done_is_cancelled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path, made.graph(service("a.serve"), made.job("b.read", 2, ["a.serve"])))
    entry = made.submission("a.serve", [(0,)], 1, "4")
    write_submission(run.paths, entry)
    finish(run, "b.read")
    squeue(monkeypatch, tmp_path, ["echo '4_0|RUNNING|None|n1|0|x'"] * 2, entry)
    scancel = fake(monkeypatch, tmp_path, "scancel", "")
    _, states = module._follow(run)
    assert {call[0] for call in scancel.calls()} == {"4_0"}
    assert read_cancels(run.paths) == {entry.key}
    assert {state.state for found in states.values() for state in found.values()} == {"done"}


def test_a_service_stays_while_a_reader_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path, made.graph(service("a.serve"), made.job("b.read", 2, ["a.serve"])))
    entries = [made.submission("a.serve", [(0,)], 1, "4"), made.submission("b.read", [(0,), (1,)], 2, "5")]
    for entry in entries:
        write_submission(run.paths, entry)
    squeue(monkeypatch, tmp_path, ["echo '4_0|RUNNING|None|n1|0|x'; echo '5_1|RUNNING|None|n1|0|x'"], *entries)
    scancel = fake(monkeypatch, tmp_path, "scancel", "")
    module._follow(run)
    assert scancel.calls() == []


def reporting(folder: Path) -> Run:
    """Return a run whose section `report` makes a page."""
    output = Output(step="", unit="0", kind=KINDS.report, source="report")
    job = made.job("report")
    return a_run(folder, Graph({"report": job}, {"report": (output,)}))


def test_a_finished_run_links_its_report_again_and_says_that_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = reporting(tmp_path)
    squeue(monkeypatch, tmp_path, [])
    job = run.graph.jobs["report"]
    page = run.paths.step("report", job.fingerprint).unit(unit("report", 0)) / KINDS.report.file
    write_tree(page.parent, {page.name: "<html>"})
    finish(run, "report")
    (run.paths.root / "old.html").write_text("old")
    run.paths.report.symlink_to("old.html")
    assert advance(run, heal=False, wait=False) == 0
    assert run.paths.report.read_text() == "<html>"
    assert not run.paths.report.readlink().is_absolute(), "the run may be moved"
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert f"Nothing to do: {run.name} is finished" in said
    assert str(run.paths.report) in said


def test_what_is_missing_is_submitted_and_what_waits_for_a_failure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path, made.graph(made.job("a.x"), made.job("b.x", 1, ["a.x"]), made.job("c.x")))
    sbatch = fake(monkeypatch, tmp_path, "sbatch", "echo $((100 + call))")
    squeue(monkeypatch, tmp_path, [])
    failed = made.submission("a.x", [(0,)], 1, "4")
    write_submission(run.paths, failed)
    made.write_end(run.paths, failed, "failed", "why")
    assert advance(run, heal=False, wait=False) == 1
    said = capsys.readouterr().out
    assert "b.x: not submitted, waits for a.x" in said
    assert "1 array submitted" in said
    assert len(sbatch.calls()) == 1
    assert [entry.job for entry in Ledger(run.paths).submissions()] == ["a.x", "c.x"]
