"""Killed anywhere, any number of times, a run ends with the bytes of one that was never touched. On a real Slurm.

The demo's journey, killed in every step of its web stage, against the same on this machine; and a training, killed,
requeued and preempted, against itself. Both are begun together, because most of each is waiting for Slurm.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stages.formats.attempts import StartRecord
from tests.journeys.cluster import PRETRAIN, crashes, exit_codes, shortened, write_cluster
from tests.launching import attempts, launch, step_dir, unit_dir, unit_files

STEPS = 500
"""Enough to be still at work when it is frozen, see `Mistreated.frozen`."""
KILLS = 5
PATIENCE_S = 1200
WEB_STEPS = {
    "extract": 40,
    "filter": 40,
    "signatures": 40,
    "buckets": 1,
    "cluster": 0,  # reports none
    "substrings": 1,
    "urls": 1,
    "documents": 40,
    "index": 1,
}
"""The steps of the web stage, and the progress by which each is killed at the latest."""


@pytest.fixture(scope="module")
def dice() -> random.Random:
    seed = int(os.environ.get("STAGECOACH_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print(f"STAGECOACH_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="module")
def begun(testbed: dict[str, str], here: Path, dice: random.Random) -> Path:
    """Submit the short journey to the testbed, with a kill in each step of its web stage; return the run's folder."""
    kills = []
    for step, latest in WEB_STEPS.items():
        units = len(list((step_dir(here, f"web.{step}") / "units").iterdir()))
        kills += ["--fault", f"web.{step}/{dice.randrange(units)}@{dice.randint(0, latest)}:kill"]
    print(kills[1::2])
    launch("run", "pretrain", *shortened(), "--cluster", "testbed", *kills, runs=here.parent)
    return here.parent / "pretrain-testbed"


@pytest.fixture(scope="module")
def rough(
    testbed: dict[str, str],
    tokens: dict[str, str],
    begun: Path,
    dice: random.Random,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Run the same training twice, undisturbed and mistreated; return the folder of the run.

    Mistreated: five kill -9 at random steps, then requeued by Slurm at its time limit, then preempted by a job of a
    partition that takes its nodes away. It has them to itself: of other jobs the partition takes nothing.
    """
    runs = tmp_path_factory.mktemp("exact")
    recipe, cluster = runs / "exact.yaml", str(write_cluster(runs))
    common = PRETRAIN.format(**tokens) + f"  steps: {STEPS}\n  checkpoint_every: 20\n"
    limits = "resources:\n  rough: {partition: preempt, cpus: 8, max_stalls: 6}\n"
    recipe.write_text(f"targets: [calm, rough]\n{limits}calm:\n{common}rough:\n{common}")
    kills = [word for step in dice.sample(range(5, 160), KILLS) for word in ("--fault", f"rough@{step}:kill")]
    print(kills[1::2])
    launch("run", str(recipe), "--cluster", cluster, *kills, "--name", "exact", runs=runs)
    job = Mistreated(runs / "exact", testbed)
    job.wait_until_it_gets_on("past the last kill", lambda ends: crashes(ends) >= KILLS)
    job.reach_its_time_limit()
    job.wait_until_it_gets_on("past its time limit", lambda ends: ends.count(85) == 1)
    job.be_preempted()
    launch("status", "exact", "--watch", runs=runs)
    wait_for(lambda: attempts(runs / "exact", "rough")[-1].end is not None, "its last word, after the mark")
    return runs / "exact"


@pytest.fixture(scope="module")
def there(begun: Path) -> Path:
    """Return the folder of the run on the testbed when it is finished."""
    launch("status", begun.name, "--watch", runs=begun.parent)
    return begun


class Mistreated:
    """The training under test, as Slurm and the ledger see it."""

    def __init__(self, run: Path, testbed: dict[str, str]) -> None:
        self.run = run
        self.env = {**os.environ, **testbed}

    def slurm(self, *command: str) -> int:
        return subprocess.run(command, env=self.env, check=False, timeout=PATIENCE_S).returncode

    def wait_until_it_gets_on(self, when: str, past: Callable[[list[int | None]], bool]) -> None:
        """Wait until attempts have ended as `past` wants and the one after them has trained a few steps."""

        def gets_on() -> bool:
            tries = attempts(self.run, "rough")
            *ended, last = exit_codes(tries) or [None]
            return past(ended) and last is None and tries[-1].progress > max(each.progress for each in tries[:-1])

        wait_for(gets_on, when)

    def start(self) -> StartRecord:
        """Return the start of the attempt at work."""
        start = attempts(self.run, "rough")[-1].start
        assert start is not None
        return start

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the first rank until Slurm asks it to stop: meanwhile nothing is computed."""
        pid = self.start().pid
        os.kill(pid, signal.SIGSTOP)
        yield
        wait_for(lambda: has_ended_or_hears(pid, signal.SIGUSR2), "Slurm asks it to stop")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def reach_its_time_limit(self) -> None:
        """Cut the job's time limit to a full minute that is near: a real limit, only not waited for.

        Put back before Slurm starts the job again, or it would be requeued every minute from then on.
        """
        start = self.start()
        room_to_save_s = 40
        near = math.ceil((time.time() - start.started + room_to_save_s) / 60)
        set_limit = ("scontrol", "update", f"jobid={start.slurm_id}")
        with self.frozen():
            assert self.slurm(*set_limit, f"timelimit={near}") == 0
        wait_for(lambda: 85 in exit_codes(attempts(self.run, "rough")), "the limit")
        wait_for(lambda: self.slurm(*set_limit, "timelimit=10") == 0, "an end that is complete")

    def be_preempted(self) -> None:
        """Take its nodes for a moment with a job of the partition that may."""
        size = ("-N2", "-n16", "-t1", "-o", "/dev/null")
        with self.frozen():
            assert self.slurm("sbatch", "-p", "urgent", "-w", self.start().nodes, *size, "--wrap", "sleep 1") == 0


def has_ended_or_hears(pid: int, number: signal.Signals) -> bool:
    """Return whether a signal waits for a process, or the process has ended: Slurm wakes some that it signals."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
    (mask,) = re.findall(r"^ShdPnd:\s*(\w+)$", status, re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.2)


def test_weights_are_bit_for_bit_those_of_the_undisturbed_run(rough: Path) -> None:
    calm, mistreated = (unit_dir(rough, job) / "weights.sha256" for job in ("calm", "rough"))
    assert mistreated.read_text() == calm.read_text()


def test_it_was_mistreated_as_promised(rough: Path) -> None:
    ends = exit_codes(attempts(rough, "rough"))
    assert crashes(ends) == KILLS
    assert len(list((rough / "ledger" / "faults").glob("*.fired"))) == KILLS
    assert ends.count(85) == 2, ends  # the time limit and the preemption
    assert ends[-1] == 0
    assert exit_codes(attempts(rough, "calm")) == [0]


@pytest.mark.parametrize("step", WEB_STEPS)
def test_every_step_of_the_web_stage_was_killed_once(there: Path, step: str) -> None:
    assert crashes(exit_codes(attempts(there, f"web.{step}"))) == 1


@pytest.mark.parametrize(
    "job", ["sample", *(f"web.{step}" for step in WEB_STEPS), "tokenizer", "tokens.encode", "tokens.merge"]
)
def test_data_files_are_those_of_the_undisturbed_run_on_this_machine(here: Path, there: Path, job: str) -> None:
    alone = unit_files(here, job)
    assert alone
    assert alone == unit_files(there, job)


def test_weights_are_those_of_this_machine_for_the_same_layout(here: Path, there: Path) -> None:
    alone, spread = (unit_dir(run, "pretrain") / "weights.sha256" for run in (here, there))
    assert alone.read_text() == spread.read_text()


def test_pretraining_spanned_nodes(there: Path) -> None:
    (attempt,) = attempts(there, "pretrain")
    assert attempt.start is not None
    assert "-" in attempt.start.nodes or "," in attempt.start.nodes, attempt.start.nodes
