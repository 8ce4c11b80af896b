"""The launcher on a simulated Slurm: killed at each of its side effects, and runs with failures at random."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import advance as advancing
from jobs.submit import slurm
from jobs.submit.ledger import Ledger
from stages.formats.attempts import read_attempts
from tests.jobs import made
from tests.simulated.commands import hangs_after_submitting
from tests.simulated.work import FAULTS
from tests.simulated.world import World

GRAPH = made.graph(made.job("a.x", 3), made.job("b.x", 2, ["a.x"]))
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "shutil.rmtree")


def killed_before(world: World, number: int) -> int:
    """Let a launcher work in a process that is killed before its side effect of this number.

    Return the number of side effects that it got to, one more than `number` at most.
    """
    count = world.folder / "effects"
    pid = os.fork()
    if not pid:
        try:
            _tracked(world, number, count)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status in (0, signal.SIGKILL)
    return int(count.read_text())


def _tracked(world: World, number: int, count: Path) -> None:
    world.folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(count, os.O_WRONLY | os.O_CREAT)
    effects = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal effects
        changes = event in CHANGES and str(world.paths.root) in str(arguments[0])
        writes = event == "open" and bool(arguments[2] & WRITES) and str(world.paths.root) in str(arguments[0])
        if changes or writes or event == "subprocess.Popen":
            effects += 1
            os.pwrite(descriptor, f"{effects:06}".encode(), 0)
            if effects == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    world.advance()


def test_a_launcher_killed_at_any_side_effect_leaves_one_job_a_unit_after_the_next_run(
    world: Callable[..., World],
) -> None:
    total = killed_before(world("calm"), 0)
    assert total > 30, "intents, scripts, sbatch, records, release"
    for number in range(1, total + 1):
        killed = world(f"killed-{number}")
        assert killed_before(killed, number) == number
        killed.advance()
        wanted = Counter(unit for job in GRAPH.jobs.values() for unit in job.units)
        assert killed.in_queue() == wanted, f"killed before side effect {number}"
        killed.slurm.drain()
        assert killed.is_finished()
        assert set(killed.workers.computed.values()) == {1}


def test_an_sbatch_that_hangs_after_submitting_is_found_and_not_repeated(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "TIMEOUT_S", 1)
    here = world()
    here.door.plans = [hangs_after_submitting(here.door, 30.0)]
    assert here.advance() == 0
    assert set(here.in_queue().values()) == {1}
    here.slurm.drain()
    assert here.is_finished()


def healed(here: World, limit: int = 30) -> int:
    """Run, let time pass and heal until the run is finished; return the number of calls."""
    here.advance()
    for calls in range(1, limit):
        here.slurm.drain()
        here.slurm.purge()
        if here.is_finished():
            here.advance()
            return calls
        here.advance(heal=True)
    raise AssertionError(f"not finished: {here.run().look()[1]}")


def test_a_run_with_failures_at_random_is_healed_and_no_unit_is_computed_twice(world: Callable[..., World]) -> None:
    graph = made.graph(made.job("a.x", 300), made.job("a.y", 300, same=["a.x"]), made.job("b.x", 1, ["a.y"]))
    here = world(graph=graph, **{kind: 6 * share for kind, share in FAULTS.items()})
    healed(here)
    assert here.workers.met.keys() == FAULTS.keys(), "each kind has been met"
    assert set(here.workers.computed.values()) == {1}
    assert not here.in_queue()
    submitted = sum(len(entry.elements) for entry in Ledger(here.paths).submissions())
    assert submitted <= 601 + here.workers.met.total()


def test_a_controller_that_lost_its_state_and_gives_ids_again_costs_what_was_in_it(world: Callable[..., World]) -> None:
    here = world(graph=made.graph(made.job("a.x", 40), made.job("b.x", 1, ["a.x"])))
    here.advance()
    here.slurm.advance(30.0)
    here.slurm.wipe()
    other = here.slurm.submit("#SBATCH --array=0-39\n#SBATCH --job-name=o:o\n", {})
    assert other == 100, "an id that this run has had"
    healed(here)
    assert set(here.workers.computed.values()) == {1}


def test_a_finished_run_keeps_few_files_and_can_still_be_read_and_grown(world: Callable[..., World]) -> None:
    graph = made.graph(made.job("a.x", 400), made.job("b.x", 1, ["a.x"]))
    here = world(graph=graph, fail=0.02)
    healed(here)
    attempts = read_attempts(here.paths.attempts)
    assert sum(attempt.end is not None for attempt in attempts) >= 401
    files = [path for path in here.paths.root.rglob("*") if path.is_file() and "units" not in path.parts]
    assert len(files) < 100, Counter(path.parent.name for path in files)
    run = here.run()
    step = run.paths.step("a.x", made.fingerprint("a.x"))
    unit = made.unit("a.x", 7)
    assert step.is_marked(unit) and step.read_mark(unit)["unit"] == "7" and not step.mark(unit).exists()
    (step.unit(unit) / "text").unlink()
    _, states = here.run().look(files="all")
    assert [key for key, state in states["a.x"].items() if state.state != "done"] == [unit]
    here.advance()
    here.slurm.drain()
    assert here.is_finished()
    grown = replace(here.graph.jobs["a.x"], units=made.job("a.x", 401).units)
    here.graph = made.graph(grown, made.job("b.x", 1, ["a.x"]))
    here.advance()
    assert here.in_queue() == Counter([made.unit("a.x", 400)])


def test_at_the_clusters_limit_what_is_in_the_queue_goes_on_and_the_next_calls_submit_the_rest(
    world: Callable[..., World],
) -> None:
    here = world(graph=made.graph(made.job("a.x", 500), made.job("b.x", 1, ["a.x"])))
    here.slurm.max_jobs = 250
    for _ in range(10):
        try:
            here.advance()
        except advancing.ClusterError as error:
            assert "takes no more jobs now" in str(error)
        assert not any(element.hold for _, _, element in here.elements()), "nothing stays held at a limit"
        here.slurm.drain()
        here.slurm.purge()
        if here.is_finished():
            break
    assert here.is_finished()
    assert set(here.workers.computed.values()) == {1}
