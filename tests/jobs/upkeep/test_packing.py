"""Packing: nothing is lost where records are damaged, where a packer is killed, and where records come later."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from jobs.logs import newest_log, open_log
from jobs.paths import StepPaths
from jobs.runs import Run
from jobs.submit.reconcile import DONE, MISSING
from jobs.upkeep import packing
from jobs.upkeep.packing import LEAST, pack
from stages.formats.attempts import read_attempts, started_attempts
from stages.shared.files import write_json
from tests.jobs import made

COUNT = LEAST + 6
STATES = {"a": dict.fromkeys(made.units("a", range(COUNT)), DONE)}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    found = made.a_run(tmp_path, made.graph(made.job("a", COUNT)))
    of = made.submission("a", [(n,) for n in range(COUNT)], slurm_id="7")
    found.paths.logs("a").mkdir(parents=True)
    for n in range(COUNT):
        made.write_done(step(found), made.unit("a", n))
        write_json(step(found).lease(made.unit("a", n)), {"owner": "x"})
        made.write_end(found.paths, of, "done", element=n)
        found.paths.log("a", of.key, n).write_text(f"log {n}\n")
    return found


def step(run: Run) -> StepPaths:
    return run.paths.step("a", made.fingerprint("a"))


def test_what_is_packed_is_read_as_before(run: Run) -> None:
    before = read_attempts(run.paths.attempts), step(run).marked_units()
    assert pack(run, STATES) == 4 * COUNT
    assert (read_attempts(run.paths.attempts), step(run).marked_units()) == before
    assert run.ledger.attempts(["a"]) == before[0]
    assert started_attempts(run.paths.attempts, "a") == []
    assert step(run).read_mark(made.unit("a", 3)) == {"files": {}}
    assert step(run).last_start(made.unit("a", 3)) > 0
    left = [path.name for path in run.paths.root.rglob("*") if path.is_file()]
    assert sorted(left) == ["a.packed", "done.packed", "packed.zip"]
    assert pack(run, STATES) == 0


def test_a_log_is_read_from_the_archive(run: Run) -> None:
    pack(run, STATES)
    path = run.paths.log("a", "0001-a", 5)
    assert newest_log([path]) == path
    with open_log(path) as file:
        assert file.read() == "log 5\n"
    assert newest_log([run.paths.log("a", "0001-a", COUNT)]) is None
    path.write_text("newer\n")
    assert newest_log([run.paths.log("a", "0001-a", 4), path]) == path


def test_a_damaged_record_stays_where_status_names_it(run: Run) -> None:
    step(run).mark(made.unit("a", 0)).write_text("{half")
    pack(run, STATES)
    assert step(run).mark(made.unit("a", 0)).read_text() == "{half"
    assert len(step(run).marked_units()) == COUNT


@pytest.mark.parametrize("place", ["_remove", "_drop_leases", "_pack_logs"])
def test_a_packer_that_is_killed_loses_nothing_and_the_next_one_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    before = read_attempts(run.paths.attempts), step(run).marked_units()

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(packing, place, killed)
        pack(run, STATES)
    assert (read_attempts(run.paths.attempts), step(run).marked_units()) == before
    pack(run, STATES)
    assert (read_attempts(run.paths.attempts), step(run).marked_units()) == before
    assert not list(step(run).done.iterdir())


def test_later_records_replace_packed_ones_and_a_mark_can_be_removed(run: Run) -> None:
    pack(run, STATES)
    for n in range(COUNT):
        write_json(step(run).mark(made.unit("a", n)), {"files": {}, "again": n})
        run.paths.log("a", "0001-a", n).write_text("again\n")
    assert step(run).read_mark(made.unit("a", 9))["again"] == 9
    pack(run, STATES)
    assert step(run).read_mark(made.unit("a", 9))["again"] == 9
    with zipfile.ZipFile(run.paths.packed_logs("a")) as archive:
        assert len(archive.namelist()) == COUNT
        assert archive.read("0001-a.9.log") == b"again\n"
    step(run).remove_mark(made.unit("a", 9))
    assert not step(run).is_marked(made.unit("a", 9))
    assert len(step(run).marked_units()) == COUNT - 1


def test_a_run_that_is_not_finished_and_a_small_job_are_left_alone(run: Run) -> None:
    first = made.unit("a", 0)
    assert pack(run, {"a": {**STATES["a"], first: MISSING}}) == 0
    for n in range(LEAST, COUNT):
        step(run).mark(made.unit("a", n)).unlink()
    few = made.graph(made.job("a", LEAST))
    small = Run(run.paths, run.recipe, run.cluster, few, run.record)
    pack(small, {"a": dict.fromkeys(few.jobs["a"].units, DONE)})
    assert len(list(step(run).done.iterdir())) == LEAST
