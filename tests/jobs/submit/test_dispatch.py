"""From actions to arrays: packing, chunks, dependencies, and a ledger that survives the launcher at every moment."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.paths import RunPaths
from jobs.plan.graph import Graph
from jobs.plan.recipe import Recipe
from jobs.runs import Run
from jobs.submit.arrays import Patience, is_under_way
from jobs.submit.dispatch import Submitter, chunks, release_held, settle_intents, unhold
from jobs.submit.ledger import (
    Ledger,
    Submission,
    boot_id,
    claim,
    is_cancelled,
    read_assignment,
    read_part,
    write_submission,
)
from jobs.submit.reconcile import UNRELEASED, next_actions
from jobs.submit.slurm import comment_of
from stages.formats.attempts import AttemptName, write_record
from stages.shared.errors import ClusterError, StagecoachError
from stages.shared.files import read_json
from tests.jobs import made
from tests.jobs.bench import until
from tests.jobs.fakes import TESTED, Fake, fake, write_fake

GRAPH = made.graph(made.job("a.x", 5), made.job("b.x", 2, ["a.x"]), made.job("c.x", 1, ["a.x", "b.x"]))
COUNTS = "echo $((100 + call))"


@pytest.mark.parametrize(
    ("units", "pack", "most", "expected"),
    [
        ("abcde", 1, 10, [(("a",), ("b",), ("c",), ("d",), ("e",))]),
        ("abcde", 1, 2, [(("a",), ("b",)), (("c",), ("d",)), (("e",),)]),
        ("abcde", 2, 2, [(("a", "b"), ("c", "d")), (("e",),)]),
        ("a", 4, 11, [(("a",),)]),
        ("", 1, 11, []),
    ],
)
def test_units_are_packed_into_elements_and_elements_into_arrays(
    units: str, pack: int, most: int, expected: list[Any]
) -> None:
    job = made.job("a", 5, units_per_element=pack)
    folders = dict(zip("abcde", job.units, strict=True))
    named = [tuple(tuple(folders[unit] for unit in element) for element in array) for array in expected]
    assert list(chunks(job, [folders[unit] for unit in units], most)) == named


class Place:
    """A run on a cluster of stand-ins with MaxArraySize 2."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, graph: Graph = GRAPH) -> None:
        paths = RunPaths(folder / "a run")
        recipe = Recipe("mine", "", (), {}, {}, {})
        self.run = Run(paths, recipe, made.slurm_cluster(max_array_size=2), graph, {"id": made.RUN_ID})
        self.folder, self.words = folder / "bin", list[str]()
        self.patience = Patience(log=self.words.append, pause=lambda seconds: None)
        self.sbatch = fake(monkeypatch, folder, "sbatch", f'cp "$3" {self.folder}/script.$call; {COUNTS}')
        self.squeue = fake(monkeypatch, folder, "squeue", "")
        self.scontrol = fake(monkeypatch, folder, "scontrol", "")
        self.scancel = fake(monkeypatch, folder, "scancel", "")

    def advance(self, heal: bool = False) -> int:
        seen, states = self.run.look()
        actions = next_actions(self.run.graph, states, seen.done, heal)
        return Submitter(self.run, seen, states, self.patience).submit(actions)

    def settle(self) -> None:
        settle_intents(self.run, self.words.append, lambda seconds: None)

    def submissions(self) -> list[Submission]:
        """Return what is on disk, read anew."""
        return Ledger(self.run.paths).submissions()

    def queue(self, *lines: str) -> Fake:
        """Answer with rows whose comment, if it is `x`, is that of the submission with the row's array."""
        comments = {entry.slurm_id: comment_of(made.RUN_ID, entry.key) for entry in self.submissions()}
        lines = tuple(re.sub(r"^(\d+)(.*\|)x$", lambda m: f"{m[1]}{m[2]}{comments[m[1]]}", line) for line in lines)
        return write_fake(self.folder, "squeue", "cat <<'END'\n" + "\n".join(lines) + "\nEND")

    def script(self, number: int) -> str:
        return (self.folder / f"script.{number}").read_text(encoding="utf-8")

    def dependency(self, number: int) -> str:
        found = re.search(r"^#SBATCH --dependency=(.*)$", self.script(number), re.MULTILINE)
        return found.group(1) if found else ""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    return Place(monkeypatch, tmp_path)


def test_a_long_array_is_chunked_and_dependents_wait_for_every_chunk(place: Place) -> None:
    assert place.advance() == 5
    assert [len(entry.elements) for entry in place.submissions()] == [2, 2, 1, 2, 1]
    assert [place.dependency(number) for number in range(5)] == [
        "",
        "",
        "",
        "afterok:100:101:102",
        "afterok:100:101:102:103",
    ]
    assert "#SBATCH --array=0-0%1\n" in place.script(2), "one item is an array too"


def test_every_submission_is_on_record_with_its_script_and_its_id(place: Place) -> None:
    place.advance()
    entries = place.submissions()
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.slurm_id for entry in entries] == ["100", "101", "102", "103", "104"]
    for number, entry in enumerate(entries):
        assert f"stagecoach:{made.RUN_ID}:{entry.key}" in place.script(number)
        assert (place.run.paths.scripts / f"{entry.key}.sh").read_text() == place.script(number)
        assert place.run.paths.logs(entry.job).is_dir(), "Slurm does not make the folder of --output"


def test_the_intent_is_on_disk_before_sbatch_is_called(place: Place) -> None:
    write_fake(place.folder, "sbatch", f"cat {str(place.run.paths.submissions)!r}/a.x/*.json >&2; exit 1")
    with pytest.raises(ClusterError):
        place.advance()
    (intent,) = place.submissions()
    assert (intent.slurm_id, intent.job) == ("", "a.x")


def test_an_assignment_holds_what_a_worker_needs(place: Place) -> None:
    place.advance()
    paths, jobs = place.run.paths, place.run.graph.jobs
    record = read_json(paths.assignment("c.x", place.submissions()[-1].key))
    needs = read_part(paths, "c.x", place.submissions()[-1].key, 0)["needs"]
    assert [(need["job"], len(need["units"])) for need in needs] == [("a.x", 5), ("b.x", 2)]
    assert Path(needs[0]["step_dir"]) == paths.step("a.x", jobs["a.x"].fingerprint).root
    assert set(needs[0]["units"]) == set(jobs["a.x"].units)
    (unit,) = read_part(paths, "c.x", place.submissions()[-1].key, 1)
    assert (unit["key"], unit["folder"], unit["place"]) == ("0", made.unit("c.x", 0), 0)
    assert (paths.code / record["code"] / "jobs/run/worker.py").exists()
    assert read_json(paths.step("c.x", jobs["c.x"].fingerprint).step_json)["fingerprint"] == jobs["c.x"].fingerprint


def test_an_assignment_names_the_fellows_of_a_unit_and_lists_a_step_that_is_read_whole_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, same = made.job("a.z", 1, ["a.x"]), made.job("a.y", 3, same=["a.x"])
    place = Place(monkeypatch, tmp_path, made.graph(made.job("a.x", 3), same, whole))
    place.advance()
    paths, first = place.run.paths, place.run.graph.jobs["a.x"]
    step = paths.step("a.x", first.fingerprint)
    by_job = {entry.job: entry for entry in place.submissions()}
    (unit,) = read_part(paths, "a.y", by_job["a.y"].key, 1)
    record = read_assignment(paths, "a.y", by_job["a.y"].key)
    folder = made.unit("a.x", 2)
    assert (unit["key"], unit["place"], unit["fellows"]) == ("2", 2, {"x": str(step.unit(folder))})
    assert (unit["needs"], read_part(paths, "a.y", by_job["a.y"].key, 0)["needs"], record["steps"]) == (
        [["a.x", str(step.root), folder]],
        [],
        {},
    )
    listed = read_json(paths.assignment("a.z", by_job["a.z"].key))["steps"]["x"]
    assert (listed["job"], Path(listed["step_dir"])) == ("a.x", step.root)
    assert read_json(step.roll(listed["roll"])) == list(first.units)


def test_what_is_queued_is_not_submitted_again(place: Place) -> None:
    place.advance()
    place.queue(*(f"{100 + number}_{element}|PENDING|Priority||0|x" for number in range(5) for element in range(2)))
    assert place.advance() == 0
    assert len(place.sbatch.calls()) == 5


def test_no_array_starts_before_all_are_in_the_queue_and_on_record(place: Place) -> None:
    write_fake(place.folder, "scontrol", f"cp -r '{place.run.paths.submissions}' {place.folder}/at-release")
    place.advance()
    assert all("--hold" in call for call in place.sbatch.calls())
    assert place.scontrol.calls() == [["release", "100,101,102,103,104"]]
    then = [read_json(path) for path in sorted((place.folder / "at-release").glob("*/*.json"))]
    assert [(entry["slurm_id"], entry["held"]) for entry in then] == [(str(100 + n), True) for n in range(5)]
    assert not any(entry.held for entry in place.submissions())


def test_arrays_that_a_launcher_left_held_are_released_by_the_next_call_alone_and_once(place: Place) -> None:
    place.advance()
    for entry in place.submissions():
        write_submission(place.run.paths, replace(entry, held=True))
    place.queue(*(f"{100 + n}_0|PENDING|JobHeldUser||0|x" for n in range(5)))
    assert place.run.look()[1]["a.x"][made.unit("a.x", 0)].reason == UNRELEASED
    release_held(place.run, place.words.append)
    release_held(place.run, place.words.append)
    assert place.scontrol.calls()[1:] == [["release", "100,101,102,103,104"]]


def test_what_a_person_holds_stays_held(place: Place) -> None:
    place.advance()
    place.queue(*(f"{100 + n}_0|PENDING|JobHeldUser||0|x" for n in range(5)))
    release_held(place.run, place.words.append)
    assert len(place.scontrol.calls()) == 1, "the launcher's own release"
    assert "scontrol release 100_0" in place.run.look()[1]["a.x"][made.unit("a.x", 0)].reason


def test_a_release_that_fails_for_an_array_that_has_gone_frees_the_others(place: Place) -> None:
    place.advance()
    for entry in place.submissions():
        write_submission(place.run.paths, replace(entry, held=True))
    place.queue(*(f"{100 + n}_0|PENDING|JobHeldUser||0|x" for n in range(5)))
    write_fake(place.folder, "scontrol", "case $2 in *,*) exit 1;; esac")
    release_held(place.run, place.words.append)
    assert [call[1] for call in place.scontrol.calls()[2:]] == [str(100 + n) for n in range(5)]
    assert not any(entry.held for entry in place.submissions())


def test_a_refusal_midway_takes_the_call_back_and_the_next_one_starts_anew(place: Place) -> None:
    write_fake(place.folder, "sbatch", '[ "$call" = 1 ] && echo "sbatch: error: no" >&2 && exit 1; ' + COUNTS)
    with pytest.raises(ClusterError, match=r"no\. Nothing of this call has started"):
        place.advance()
    assert [(entry.slurm_id, entry.refusal) for entry in place.submissions()] == [("100", ""), ("", "no")]
    assert (place.scancel.calls(), place.scontrol.calls()) == ([["100"]], [])
    states = place.run.look()[1]["a.x"]
    assert [state.reason for state in states.values()] == [
        *["cancelled by the user"] * 2,
        *["refused by Slurm: no"] * 2,
        "",
    ]
    place.settle()
    place.advance()
    keys = [[GRAPH.jobs["a.x"].units[unit].key for (unit,) in entry.elements] for entry in place.submissions()[:4]]
    assert keys == [["0", "1"], ["2", "3"], ["0", "1"], ["2", "3"]]


def intend(place: Place, launcher: str = "") -> str:
    """Record an intent, as a launcher killed while sbatch ran would leave it."""
    intent = replace(made.submission("a.x", [(0,), (1,)]), launcher=launcher, submitted=time.time() if launcher else 0)
    write_submission(place.run.paths, intent)
    return intent.key


def test_an_array_that_a_killed_launcher_submitted_is_adopted(place: Place) -> None:
    key = intend(place)
    place.queue(
        f"77_0|RUNNING|None|n1|0|stagecoach:{made.RUN_ID}:{key}",
        f"77_1|PENDING|Priority||0|stagecoach:{made.RUN_ID}:{key}",
    )
    place.settle()
    assert [entry.slurm_id for entry in place.submissions()] == ["77"]
    assert "found array 77" in place.words[0]


def test_one_that_has_left_the_queue_is_adopted_by_its_claim(place: Place) -> None:
    key = intend(place)
    paths = place.run.paths
    name = AttemptName("a.x", key, 0, 0)
    assert claim(paths, key, "77") == "77"
    write_record(paths.attempts, name, made.end_record("failed", "why"))
    place.settle()
    assert [entry.slurm_id for entry in place.submissions()] == ["77"]
    assert place.run.look()[1]["a.x"][made.unit("a.x", 0)].reason == "why"


def test_an_intent_that_slurm_never_heard_of_is_dropped(place: Place) -> None:
    key = intend(place)
    place.settle()
    assert place.submissions() == []
    assert is_cancelled(place.run.paths, key), "should it come all the same, it does nothing"


def test_while_slurm_does_not_answer_an_intent_stays_as_it_is(place: Place) -> None:
    intend(place)
    write_fake(place.folder, "squeue", "exit 1")
    with pytest.raises(ClusterError):
        place.settle()
    assert len(place.submissions()) == 1


def test_heal_submits_the_failed_unit_and_rewires_what_waits_to_living_elements(place: Place) -> None:
    place.advance()
    first = place.submissions()[0]
    made.write_end(place.run.paths, first, "failed", "why")
    waiting = [f"{array}_{element}|PENDING|DependencyNeverSatisfied||0|x" for array in (103, 104) for element in (0, 1)]
    running = [f"{array}_{element}|RUNNING|None|n1|0|x" for array in (101, 102) for element in (0, 1)]
    place.queue("100_1|RUNNING|None|n1|0|x", *running, *waiting)
    assert place.advance(heal=False) == 0, "run does not touch what has failed"
    assert place.advance(heal=True) == 1
    assert place.submissions()[-1].elements == ((made.unit("a.x", 0),),)
    assert place.scontrol.calls()[1:] == [
        ["update", "jobid=103", "dependency=afterok:100_1:101:102:105"],
        ["update", "jobid=104", "dependency=afterok:100_1:101:102:105:103"],
        ["release", "105"],
    ]


def test_a_rewiring_that_slurm_refuses_does_not_stop_the_others(place: Place) -> None:
    place.advance()
    place.queue(*(f"{array}_0|PENDING|DependencyNeverSatisfied||0|x" for array in (103, 104)))
    write_fake(place.folder, "scontrol", "echo 'Job/step already completing or completed' >&2; exit 1")
    assert place.advance(heal=True) > 0
    assert [call[1] for call in place.scontrol.calls() if call[0] == "update"] == ["jobid=103", "jobid=104"]
    assert sum("already completing" in line for line in place.words) == 3, "the release, too, which goes on by itself"


def test_arrays_beyond_the_throttle_wait_for_those_in_front(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = Place(monkeypatch, tmp_path, made.graph(made.job("a.x", 9, throttle=2), made.job("b.x", 1, ["a.x"])))
    place.advance()
    found = [re.search(r"--array=(.*)$", place.script(number), re.MULTILINE) for number in range(5)]
    assert [match.group(1) for match in found if match] == ["0-1%1"] * 4 + ["0-0%1"]
    assert [place.dependency(number) for number in range(5)] == ["", "", *[f"afterany:10{n}" for n in range(3)]]
    assert place.dependency(5) == "afterok:100:101:102:103:104"
    # The third array waits for its turn; that is no reason to let it go, nor a trouble.
    rows = [f"10{n}_0|{'RUNNING' if n < 2 else 'PENDING'}|{'None' if n < 2 else 'Dependency'}|n1|0|x" for n in range(5)]
    place.queue(*rows, "105_0|PENDING|Dependency||0|x")
    seen, states = place.run.look()
    reasons = [states["a.x"][made.unit("a.x", key)].reason for key in (0, 2, 4, 6)]
    assert reasons == ["on n1", "on n1", "waits for the throttle", "waits for the throttle"]
    assert next_actions(place.run.graph, states, seen.done, heal=True).release == {}
    place.queue("100_0|PENDING|JobHeldUser||0|x", *rows[1:])
    _, states = place.run.look()
    kinds = [states["a.x"][made.unit("a.x", key)].state for key in (0, 2, 4, 6, 8)]
    assert kinds == ["blocked", "running", "blocked", "queued", "blocked"]


def test_arrays_of_earlier_calls_share_the_jobs_throttle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = Place(monkeypatch, tmp_path, made.graph(made.job("a.x", 5, throttle=2)))
    place.advance()
    assert [entry.throttle for entry in place.submissions()] == [1, 1, 1]
    place.queue("100_1|RUNNING|None|n1|0|x", "102_0|PENDING|Dependency||0|x")
    # Three units are lost. An array is at work and another waits for it: what is new waits for that one.
    assert place.advance() == 2
    assert [place.dependency(number) for number in (3, 4)] == ["afterany:102", "afterany:102"]


def test_arrays_of_earlier_settings_share_the_jobs_throttle_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = Place(monkeypatch, tmp_path, made.graph(made.job("a.x", 5, throttle=2)))
    old = replace(made.submission("a.x", [(0,), (1,)], 1, "60"), fingerprint="as it was", throttle=2)
    write_submission(place.run.paths, old)
    place.queue("60_0|RUNNING|None|n1|0|x", "60_1|RUNNING|None|n1|0|x")
    assert place.advance() == 3
    assert [place.dependency(number) for number in range(3)] == ["afterany:60", "afterany:60", "afterany:100"]
    place.queue("60_0|RUNNING|None|n1|0|x", "100_0|PENDING|Dependency||0|x")
    _, states = place.run.look()
    assert states["a.x"][made.unit("a.x", 0)].reason == "waits for the throttle, behind arrays of earlier settings"


def test_every_kind_of_element_is_tested_before_the_first_array_is_submitted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jobs = [made.job("a.x", 5), made.job("a.y", 2), made.job("b.x", 1, ["a.x"], gpus_per_node=4), made.job("c.x", 1)]
    place = Place(monkeypatch, tmp_path, made.graph(*jobs))
    words = "sbatch: error: Invalid generic resource (gres) specification"
    tested = write_fake(place.folder, TESTED, f"case \"$*\" in *gpus*) echo '{words}' >&2; exit 1;; esac")
    with pytest.raises(
        ClusterError, match=r"elements of b.x .*--gpus-per-node=4.*: Invalid generic resource"
    ) as caught:
        place.advance()
    assert "Nothing was submitted. Change resources.b.x" in str(caught.value)
    assert (len(tested.calls()), place.sbatch.calls()) == (2, []), "one test for each kind of element"
    states = place.run.look()[1]
    assert (
        states["b.x"][made.unit("b.x", 0)].reason == "refused by Slurm: Invalid generic resource (gres) specification"
    )
    assert {state.state for state in states["a.x"].values()} == {"missing"}
    write_fake(place.folder, TESTED, "true")
    assert place.advance() == 6


def test_a_limit_on_submitted_jobs_leaves_the_rest_missing(place: Place) -> None:
    limit = "[ $call = 2 ] && echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2 && exit 1; "
    write_fake(place.folder, "sbatch", limit + COUNTS)
    with pytest.raises(ClusterError, match="takes no more jobs now"):
        place.advance()
    assert [entry.slurm_id for entry in place.submissions()] == ["100", "101"]


def test_a_cancel_while_arrays_are_submitted_takes_all_of_the_call_back(place: Place) -> None:
    cancels = place.run.paths.cancels
    place.patience = replace(place.patience, is_cancelled=lambda: any(cancels.glob("run-*")))
    cancel = f"[ $call = 1 ] && mkdir -p '{cancels}' && touch '{cancels}/run-1.json'; "
    write_fake(place.folder, "sbatch", cancel + COUNTS)
    with pytest.raises(StagecoachError, match="the run was cancelled"):
        place.advance()
    assert place.scancel.calls() == [["100", "101"]]
    assert [entry.slurm_id for entry in place.submissions()] == ["100", "101"]
    assert all(is_cancelled(place.run.paths, entry.key) for entry in place.submissions())
    assert not place.scontrol.calls(), "nothing is released"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_intent_whose_sbatch_may_be_under_way_is_waited_for(place: Place, elsewhere: bool) -> None:
    key = intend(place, launcher="another machine" if elsewhere else boot_id())
    script = place.run.paths.scripts / f"{key}.sh"
    late = [f"77_{n}|PENDING|Priority||0|stagecoach:{made.RUN_ID}:{key}" for n in (0, 1)]
    pauses: list[float] = []
    with subprocess.Popen(["sh", "-c", "read line; : sbatch $0", script], stdin=subprocess.PIPE) as process:

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                place.queue(*late)
                process.kill()
                process.wait()

        until(lambda: is_under_way(key), "its command can be seen")
        if elsewhere:
            process.kill()
        settle_intents(place.run, place.words.append, pause)
    assert "may be under way" in place.words[0]
    assert [entry.slurm_id for entry in place.submissions()] == ["77"]
    assert (len(pauses) >= 69) if elsewhere else (len(pauses) == 3), "elsewhere only its time limit is known"


def test_heal_lets_go_what_a_launch_that_failed_holds(place: Place) -> None:
    place.advance()
    rows = [f"{100 + n // 2}_{n % 2}|PENDING|Priority||0|x" for n in range(1, 5)]
    place.queue("100_0|PENDING|launch failed requeued held||1|x", *rows)
    seen, states = place.run.look()
    unhold(next_actions(GRAPH, states, seen.done, heal=False), place.words.append)
    assert place.scontrol.calls()[1:] == [["release", "100_0"]]
