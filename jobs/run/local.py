"""The local cluster: a foreground loop that runs elements as cores allow and starts those again that ask for it."""

from __future__ import annotations

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from jobs.plan.graph import Job
from jobs.runs import Run
from jobs.submit.arrays import ElementExecutor, write_script
from jobs.submit.dispatch import Log, chunks, new_submission, script_for, write_step, write_work
from jobs.submit.ledger import Submission, last_number, read_cancels
from jobs.submit.reconcile import MISSING, Actions, States, UnitState, idle_services, next_actions
from jobs.submit.render import Place
from jobs.submit.snapshot import take_snapshot
from stages.formats.attempts import EndRecord

TICK_S = 0.2
STOP_WAIT_S = 60.0
MANY = 10**9


@dataclass
class Running:
    """One element that runs now."""

    submission: Submission
    element: int
    restart: int
    process: Any
    cores: int
    is_stopping: bool = False


class LocalRun:
    """Runs a run's jobs to their end, or as far as they go."""

    def __init__(self, run: Run, log: Log, show: Callable[[States], None]) -> None:
        self.run, self.log, self.show = run, log, show
        self.cores = run.cluster.num_cores
        self.waiting: deque[tuple[Submission, int, int]] = deque()
        self.running: list[Running] = []
        self.stopping = False
        self.lost: Counter[tuple[str, str]] = Counter()
        self.healing: set[tuple[str, str]] = set()
        """Units (job, folder) that had failed before and are to be started again when their inputs are complete."""
        self.cancelled = read_cancels(run.paths)

    def advance(self, heal: bool) -> States:
        """Run until nothing more can be done, and return the last states. Ctrl-C or TERM: save state, stop, return."""
        previous = {signum: signal.signal(signum, self._stop) for signum in (signal.SIGINT, signal.SIGTERM)}
        try:
            return self._loop(heal)
        except OSError:  # such as a full disk: nothing that runs may outlive its launcher
            self._wind_down()
            raise
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)

    def _loop(self, heal: bool) -> States:
        code = take_snapshot(self.run.paths)
        while True:
            seen, states = self.run.look()
            if heal:  # what fails from here on has failed under the eyes of this very call
                self.healing = {(name, unit) for name, unit, state in _each(states) if state.state == "failed"}
                heal = False
            states = self._as_we_know(states)
            self.show(states)
            if seen.cancelled - self.cancelled and not self.stopping:
                self.log("cancelled: no more elements are started")
                self.stopping = True
            if self.stopping:
                self._wind_down()
                return self.run.look()[1]
            actions = next_actions(self.run.graph, states, seen.done, heal=False)
            self._enqueue_ready(actions, code)
            self._stop_services(actions, states)
            self._start_what_fits()
            elsewhere = any(state.state == "running" for units in states.values() for state in units.values())
            if not self.running and not self.waiting and not elsewhere:
                return self.run.look()[1]
            time.sleep(TICK_S)
            self._collect()

    def _as_we_know(self, states: States) -> States:
        """Return the states with what waits for a core here as queued, and what is to be healed as missing."""
        mine = self._mine()

        def known(name: str, unit: str, state: UnitState) -> UnitState:
            if state.state == "lost" and (name, unit) in mine:
                return replace(state, state="queued", reason="waits for a free core")
            return MISSING if (name, unit) in self.healing else state

        return {
            name: {unit: known(name, unit, state) for unit, state in units.items()} for name, units in states.items()
        }

    def _enqueue_ready(self, actions: Actions, code: Any) -> None:
        """Enqueue the units whose inputs are complete, except those in hand and those that were lost too often.

        Elements are enqueued when they are full, since each costs the start of a process; what is left over, when a
        core is free for it.
        """
        mine = self._mine()
        for name, units in actions.submit.items():
            ready = [unit for unit in units if unit in actions.ready[name] and (name, unit) not in mine]
            fresh = tuple(unit for unit in ready if not self._is_given_up(name, unit))
            job = self.run.graph.jobs[name]
            if self.waiting or not self._fits(job):
                fresh = fresh[: len(fresh) - len(fresh) % (job.resources.units_per_element or 1)]
            self.lost.update((name, unit) for unit in fresh)
            self.healing -= {(name, unit) for unit in fresh}
            if fresh:
                self._enqueue(job, fresh, code)

    def _is_given_up(self, name: str, unit: str) -> bool:
        """Return whether a unit was lost too often to be started once more."""
        return self.lost[name, unit] > self.run.graph.jobs[name].resources.max_stalls

    def _mine(self) -> set[tuple[str, str]]:
        """Return the (job, unit) pairs that run or wait here."""
        in_hand = [(entry, element) for entry, element, _ in self.waiting]
        in_hand += [(each.submission, each.element) for each in self.running]
        return {(entry.job, unit) for entry, element in in_hand for unit in entry.elements[element]}

    def _enqueue(self, job: Job, units: tuple[str, ...], code: Any) -> None:
        write_step(self.run, job)
        number = last_number(self.run.ledger.submissions()) + 1
        for elements in chunks(job, units, MANY):
            submission = new_submission(job, elements, number)
            write_script(self.run.paths, submission.key, script_for(self.run, job, submission, code, Place()))
            write_work(self.run, job, submission, code)
            self.waiting.extend((submission, element, 0) for element in range(len(elements)))

    def _start_what_fits(self) -> None:
        while self.waiting and not self.stopping:
            submission, element, restart = self.waiting[0]
            job = self.run.graph.jobs[submission.job]
            if not self._fits(job):
                return
            self.waiting.popleft()
            paths = self.run.paths
            executor = ElementExecutor(paths, job.resources.time_min, self.run.cluster.signal_lead_s)
            script, log = paths.scripts / f"{submission.key}.sh", paths.log(job.name, submission.key, element)
            process = executor.start(script, log, element, restart)
            self.running.append(Running(submission, element, restart, process, self._cores(job)))

    def _fits(self, job: Job) -> bool:
        """Return whether an element of a job may start now."""
        busy = sum(each.cores for each in self.running)
        same = sum(each.submission.job == job.name for each in self.running)
        return busy + self._cores(job) <= self.cores and same < job.resources.throttle

    def _cores(self, job: Job) -> int:
        """Return the cores that an element of a job keeps; one that wants more than there are gets all."""
        return min(self.cores, job.step.ranks * job.resources.cpus)

    def _collect(self) -> None:
        """Log elements that ended, and requeue those that ask for it."""
        for each in [each for each in self.running if each.process.done()]:
            self.running.remove(each)
            submission = each.submission
            name = f"{submission.job}/{'+'.join(self._keys(submission, each.element)[:3])}"
            end = self._end(each)
            if end.verdict in ("requeue", "bad-node") and not self.stopping and not each.is_stopping:
                self.log(f"{name}: {end.reason} at progress {end.progress}; starting it again")
                self.waiting.appendleft((submission, each.element, each.restart + 1))
            elif end.verdict != "done" and not each.is_stopping:
                self.log(f"{name}: {end.reason}")

    def _end(self, ended: Running) -> EndRecord:
        """Return the record of an element's end; one that was killed with its shell leaves none."""
        key, job = ended.submission.key, ended.submission.job
        found = self.run.ledger.attempts([job], lambda other, element: (other, element) == (key, ended.element))
        ends = [attempt.end for attempt in found if attempt.name.restart == ended.restart and attempt.end]
        lost = EndRecord(ended=time.time(), exit_code=-1, verdict="lost", reason="ended without a word", progress=-1)
        return ends[0] if ends else lost

    def _keys(self, submission: Submission, element: int) -> list[str]:
        units = self.run.graph.jobs[submission.job].units
        return [units[unit].key for unit in submission.elements[element]]

    def _stop_services(self, actions: Actions, states: States) -> None:
        """Stop services without readers to come."""
        coming = [
            name for name, units in actions.submit.items() if not all(self._is_given_up(name, unit) for unit in units)
        ]
        idle = idle_services(self.run.graph, states, coming)
        for each in self.running:
            if each.submission.job in idle and not each.is_stopping:
                self.log(f"{each.submission.job}: no longer needed; stopping it")
                each.is_stopping = True
                each.process._process.terminate()

    def _stop(self, signum: int, frame: object) -> None:
        """Set a flag only: a signal may arrive while an element is being started."""
        self.stopping = True

    def _wind_down(self) -> None:
        """Ask all running elements to save their state, and wait for them."""
        self.log(f"stopping: {len(self.running)} running element{'s' * (len(self.running) != 1)} asked to save and end")
        for each in self.running:
            each.process._process.terminate()
        deadline = time.monotonic() + STOP_WAIT_S
        while self.running and time.monotonic() < deadline:
            time.sleep(TICK_S)
            self._collect()


def _each(states: States) -> Iterator[tuple[str, str, UnitState]]:
    """Yield (job, unit, state) of every unit."""
    return ((name, unit, state) for name, units in states.items() for unit, state in units.items())
