"""Submission, with executables that answer as Slurm's do: refusals, a busy controller, an answer that got lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.submit import slurm
from jobs.submit.arrays import (
    ElementExecutor,
    FullError,
    Patience,
    RefusedError,
    find_submitted,
    is_under_way,
    submit_array,
    try_flags,
    write_script,
)
from jobs.submit.ledger import claim
from stages.shared.errors import ClusterError, StagecoachError
from tests.jobs import made
from tests.jobs.bench import PATIENCE_S, until
from tests.jobs.fakes import TESTED, Fake, fake, write_fake

TEXT = "#!/bin/bash\n#SBATCH --array=0-1%2\necho work\n"
KEY = "0001-abcd"
RUN_ID = made.RUN_ID
HOSTILE = 'it\'s "a run"\nof $(touch pwned)'
BUSY = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
POLICY = "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or limits)"
SLEEPS = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"
EMPTY_QUEUE = "true"
OTHERS = "echo '7|RUNNING|None|n1|0|(null)'"
IN_QUEUE = f"printf '52_%s|PENDING|Resources||0|stagecoach:{RUN_ID}:{KEY}\\n' 0 1"


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / HOSTILE)


class Cluster:
    """Stand-ins for sbatch and squeue; pauses and words are noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, run: RunPaths) -> None:
        self.monkeypatch, self.folder, self.run = monkeypatch, folder, run
        self.pauses: list[float] = []
        self.words: list[str] = []

    def answers(self, sbatch: str, squeue: str = EMPTY_QUEUE) -> tuple[Fake, Fake]:
        return (
            fake(self.monkeypatch, self.folder, "sbatch", sbatch),
            fake(self.monkeypatch, self.folder, "squeue", squeue),
        )

    def submit(self, waits: bool = False, pause: Callable[[float], None] | None = None) -> str:
        write_script(self.run, KEY, TEXT)
        patience = Patience(log=self.words.append, waits=waits, pause=pause or self.pauses.append)
        return submit_array(self.run, RUN_ID, KEY, patience)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunPaths) -> Cluster:
    return Cluster(monkeypatch, tmp_path, run)


def test_a_script_is_handed_over_as_it_is_and_the_answer_is_the_id(cluster: Cluster) -> None:
    sbatch, squeue = cluster.answers(f'cat "$3" >{cluster.folder}/got; echo 51')
    assert cluster.submit() == "51"
    assert (cluster.folder / "got").read_text() == TEXT
    assert [call[0] for call in sbatch.calls()] == ["--parsable"]
    assert (squeue.calls(), cluster.pauses) == ([], [])
    assert not list(cluster.folder.rglob("pwned"))


@pytest.mark.parametrize("answer", ["51;north", "51", "sbatch: warning: the cluster is tired\\n51;north"])
def test_a_federation_answers_with_the_cluster_behind_the_id(cluster: Cluster, answer: str) -> None:
    cluster.answers(f"printf '{answer}\\n'")
    assert cluster.submit() == "51"


def test_an_answer_without_an_id_is_told(cluster: Cluster) -> None:
    cluster.answers("echo thanks")
    with pytest.raises(ClusterError, match="'thanks'"):
        cluster.submit()


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Invalid job array specification",
        "sbatch: error: invalid partition specified: gpuu\nsbatch: error: Batch job submission failed: No partition",
        "sbatch: error: Invalid generic resource (gres) specification",
        f"sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: {POLICY}",
        f"sbatch: error: {POLICY}",
    ],
)
def test_a_refusal_is_final_and_told_in_slurms_words(cluster: Cluster, words: str) -> None:
    sbatch, _ = cluster.answers(f"cat >&2 <<'END'\n{words}\nEND\nexit 1")
    with pytest.raises(ClusterError) as caught:
        cluster.submit()
    assert f"sbatch refused the array {KEY}: " in str(caught.value)
    for line in words.splitlines():
        assert line.removeprefix("sbatch: error: ") in str(caught.value)
    assert len(sbatch.calls()) == 1


def test_a_busy_controller_is_asked_again_with_growing_pauses(cluster: Cluster) -> None:
    sbatch, squeue = cluster.answers(f'[ "$call" = 2 ] && echo 51 && exit; echo "{BUSY}" >&2; exit 1')
    assert cluster.submit() == "51"
    assert (len(sbatch.calls()), len(squeue.calls())) == (3, 2)
    assert cluster.pauses == sorted(cluster.pauses) and len(set(cluster.pauses)) == 2
    assert "Slurm is busy (Batch job submission failed: Socket timed out" in cluster.words[0]


def test_a_controller_that_stays_busy_is_given_up_with_what_to_do(cluster: Cluster) -> None:
    sbatch, _ = cluster.answers(f'echo "{BUSY}" >&2; exit 1')
    with pytest.raises(ClusterError, match="Run the same command again later"):
        cluster.submit()
    assert len(sbatch.calls()) == 5


def test_an_array_that_went_through_although_sbatch_timed_out_is_found_and_not_submitted_twice(
    cluster: Cluster,
) -> None:
    sbatch, _ = cluster.answers(f'echo "{BUSY}" >&2; exit 1', IN_QUEUE)
    assert cluster.submit() == "52"
    assert len(sbatch.calls()) == 1


def test_a_queue_that_does_not_answer_either_ends_in_an_error_not_in_a_second_array(cluster: Cluster) -> None:
    sbatch, _ = cluster.answers(f'echo "{BUSY}" >&2; exit 1', "echo 'slurm_load_jobs error: timed out' >&2; exit 1")
    with pytest.raises(ClusterError, match="squeue"):
        cluster.submit()
    assert len(sbatch.calls()) == 1


def test_only_arrays_of_this_very_run_are_found(cluster: Cluster) -> None:
    cluster.answers(
        "true", f"echo '7_0|RUNNING|None|n1|0|stagecoach:{RUN_ID}ef:{KEY}'; echo '8|RUNNING|None|n1|0|{KEY}'"
    )
    assert find_submitted(RUN_ID) == {}
    cluster.answers("true", IN_QUEUE)
    assert find_submitted(RUN_ID) == {KEY: "52"}


def test_an_enclosing_allocation_is_not_handed_on(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    leaks = ["SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SBATCH_PARTITION", "SRUN_CPUS_PER_TASK"]
    for name in [*leaks, "SUBMITIT_EXECUTOR", "SLURM_CONF", "SLURM_CLUSTERS", "MY_TOKEN_COUNT"]:
        monkeypatch.setenv(name, "9")
    sbatch, _ = cluster.answers("echo 51")
    cluster.submit()
    (seen,) = sbatch.environments()
    assert not set(leaks) & set(seen)
    assert "SUBMITIT_EXECUTOR" not in seen
    assert (seen["SLURM_CONF"], seen["SLURM_CLUSTERS"], seen["MY_TOKEN_COUNT"]) == ("9", "9", "9")
    assert os.environ["SLURM_JOB_ID"] == "9", "this process keeps its own"


def test_submitting_leaves_nothing_but_the_script(cluster: Cluster, run: RunPaths) -> None:
    cluster.answers("echo 51")
    cluster.submit()
    assert {path.name for path in run.root.parent.iterdir()} == {run.root.name, "bin"}
    assert [path.name for path in run.scripts.iterdir()] == [f"{KEY}.sh"]


def test_an_sbatch_that_hangs_is_ended_and_its_children_too(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "TIMEOUT_S", 0.5)
    sbatch, _ = cluster.answers('[ "$call" = 1 ] && echo 51 && exit; sleep 600')
    assert cluster.submit() == "51"
    assert "sbatch gave no answer in 0.5 s" in cluster.words[0]
    assert len(sbatch.calls()) == 2


FULL = [f"sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: {POLICY}", SLEEPS, f"sbatch: error: {POLICY}"]


@pytest.mark.parametrize("words", FULL)
def test_a_limit_on_submitted_jobs_is_told_at_once(cluster: Cluster, words: str) -> None:
    sbatch, _ = cluster.answers(
        f"cat >&2 <<'END'\n{words}\nEND\nexec 2>&-; sleep {600 * (words == SLEEPS)}; exit 1", OTHERS
    )
    with pytest.raises(FullError, match=r"takes no more jobs now: .* or with --wait"):
        cluster.submit()
    assert len(sbatch.calls()) == 1


@pytest.mark.parametrize("words", [*FULL, BUSY])
def test_a_launcher_that_waits_goes_on_until_slurm_takes_the_array(cluster: Cluster, words: str) -> None:
    sbatch, _ = cluster.answers(f"[ $call = 7 ] && echo 51 && exit; cat >&2 <<'END'\n{words}\nEND\nexit 1", OTHERS)
    assert cluster.submit(waits=True) == "51"
    assert len(sbatch.calls()) == 8
    assert len(cluster.words) == 1, "one message, not one for each try"


def test_a_launcher_that_waits_stops_when_the_run_is_cancelled(cluster: Cluster, run: RunPaths) -> None:
    cluster.answers(f"echo '{SLEEPS}' >&2; exit 1", OTHERS)
    write_script(run, KEY, TEXT)
    calls: list[float] = []
    patience = Patience(log=cluster.words.append, waits=True, pause=calls.append, is_cancelled=lambda: len(calls) > 2)
    with pytest.raises(StagecoachError, match="cancelled"):
        submit_array(run, RUN_ID, KEY, patience)


def test_an_array_that_came_and_went_while_sbatch_timed_out_is_known_by_its_claim(
    cluster: Cluster, run: RunPaths
) -> None:
    sbatch, _ = cluster.answers(f'echo "{BUSY}" >&2; exit 1')
    assert claim(run, KEY, "52") == "52"
    assert cluster.submit() == "52"
    assert len(sbatch.calls()) == 1


def test_an_sbatch_that_outlives_its_launcher_is_seen(cluster: Cluster, run: RunPaths) -> None:
    go = cluster.folder / "go"
    cluster.answers(f"while [ ! -e '{go}' ]; do sleep 0.02; done; echo 51")
    assert not is_under_way(KEY)
    thread = threading.Thread(target=cluster.submit)
    thread.start()
    until(lambda: is_under_way(KEY), "it is under way")
    assert not is_under_way("0001-abc")
    go.touch()
    thread.join(PATIENCE_S)
    assert not is_under_way(KEY)


@pytest.mark.parametrize(
    ("words", "nodes", "taken"),
    [
        ("sbatch: error: Invalid generic resource (gres) specification", "idle", False),
        ("sbatch: error: Invalid generic resource (gres) specification", "drained", False),
        ("allocation failure: Requested node configuration is not available", "idle\nmixed", False),
        ("allocation failure: Requested node configuration is not available", "idle\ndrained", True),
        ("allocation failure: Requested node configuration is not available", "idle*", True),
        ("allocation failure: Requested node configuration is not available", "", True),
        (f"sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: {POLICY}", "idle", True),
        (BUSY, "idle", True),
    ],
)
def test_what_slurm_never_takes_is_told_from_what_it_does_not_take_now(
    cluster: Cluster, words: str, nodes: str, taken: bool
) -> None:
    cluster.answers("exit 9")
    fake(cluster.monkeypatch, cluster.folder, "sinfo", f"printf '{nodes}\n'")
    tested = write_fake(cluster.folder / "bin", TESTED, f"cat >&2 <<'END'\n{words}\nEND\nexit 1")
    if taken:
        try_flags("elements of a.x", ["--gpus-per-node=4"], None)
    else:
        with pytest.raises(RefusedError, match=r"sbatch refused elements of a\.x: ") as caught:
            try_flags("elements of a.x", ["--gpus-per-node=4"], None)
        assert caught.value.words in words
    assert tested.calls() == [["--test-only", "--array=0-0", "--gpus-per-node=4", "--wrap=true"]]


def test_a_script_is_kept_with_the_run(run: RunPaths) -> None:
    path = write_script(run, KEY, TEXT)
    assert path.read_text() == TEXT
    assert path.is_relative_to(run.scripts)


def element(run: RunPaths, text: str, log: Path, time_min: float = 1) -> int:
    """Run a script as an element of the local cluster and return the code it ended with."""
    executor = ElementExecutor(run, time_min, 1)
    job = executor.start(write_script(run, KEY, text), log, 4, 2)
    job._process.wait(timeout=PATIENCE_S)
    assert job.done()
    return int(job._process.returncode)


def test_a_local_element_knows_its_number_and_logs_to_its_file(run: RunPaths, tmp_path: Path) -> None:
    log = run.log("a.x", KEY, 4)
    element(run, 'echo "$STAGECOACH_ELEMENT $STAGECOACH_RESTART"; echo oops >&2\n', log)
    element(run, "echo again\n", log)
    assert log.read_text() == "4 2\noops\nagain\n"
    assert not list(tmp_path.rglob("pwned"))


def test_a_local_element_is_told_to_save_before_its_time_is_up(run: RunPaths) -> None:
    log = run.log("a.x", KEY, 4)
    element(run, "trap 'echo saved; exit 85' USR2\nwhile :; do sleep 0.05; done\n", log, time_min=5 / 60)
    assert log.read_text() == "saved\n"


def test_ctrl_c_in_the_terminal_does_not_reach_a_local_element(run: RunPaths) -> None:
    log = run.log("a.x", KEY, 4)
    element(run, "kill -INT $$; echo still here\n", log)
    assert log.read_text() == "still here\n"
