"""The local cluster: a foreground loop that runs elements as cores allow and starts those again that ask for it."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from jobs.plan.graph import Job
from jobs.runs import Run
from jobs.submit.arrays import ElementExecutor, write_script
from jobs.submit.dispatch import Log, chunks, new_submission, script_for, write_job
from jobs.submit.ledger import Submission, last_number, read_cancels, read_submissions, write_submission
from jobs.submit.reconcile import States, next_actions
from jobs.submit.snapshot import take_snapshot
from stages.shared.files import read_json

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


class LocalRun:
    """Runs a journey to its end, or as far as it goes."""

    def __init__(self, journey: Run, log: Log, show: Callable[[States], None]) -> None:
        self.journey, self.log, self.show = journey, log, show
        self.cores = journey.cluster.cores or os.cpu_count() or 1
        self.waiting: deque[tuple[Submission, int, int]] = deque()
        self.running: list[Running] = []
        self.stopping = False
        self.lost: Counter[tuple[str, int]] = Counter()
        self.cancelled = read_cancels(journey.paths)

    def run(self, heal: bool) -> States:
        """Run until nothing more can be done, and return the last states. Ctrl-C or TERM: save state, stop, return."""
        previous = {signum: signal.signal(signum, self._stop) for signum in (signal.SIGINT, signal.SIGTERM)}
        try:
            return self._loop(heal)
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)

    def _loop(self, heal: bool) -> States:
        code = take_snapshot(self.journey.paths)
        while True:
            seen, states = self.journey.look()
            self.show(self._as_we_know(states))
            if seen.cancelled - self.cancelled and not self.stopping:
                self.log("cancelled: no more elements are started")
                self.stopping = True
            if self.stopping:
                self._wind_down()
                return self.journey.look()[1]
            for name, shards in self._ready(states, heal).items():
                self._enqueue(self.journey.graph.jobs[name], shards, code)
            heal = False  # what fails from here on has failed under the eyes of this very call
            self._start_what_fits()
            elsewhere = any(state.state == "running" for shards in states.values() for state in shards.values())
            if not self.running and not self.waiting and not elsewhere:
                return self.journey.look()[1]
            time.sleep(TICK_S)
            self._collect()

    def _as_we_know(self, states: States) -> States:
        """Return the states with what waits for a core here, unknown to the ledger, as queued."""
        mine = self._mine()
        return {
            name: {
                shard: replace(state, state="queued", reason="waits for a free core")
                if state.state == "lost" and (name, shard) in mine
                else state
                for shard, state in shards.items()
            }
            for name, shards in states.items()
        }

    def _ready(self, states: States, heal: bool) -> dict[str, tuple[int, ...]]:
        """Return the shards to start now: asked for, not in our hands already, with everything upstream done."""
        mine = self._mine()
        ready: dict[str, tuple[int, ...]] = {}
        for name, shards in next_actions(self.journey.graph, states, heal).submit.items():
            needs = self.journey.graph.jobs[name].needs
            if all(state.state == "done" for need in needs for state in states[need].values()):
                limit = self.journey.graph.jobs[name].resources.max_stalls
                fresh = tuple(
                    shard for shard in shards if (name, shard) not in mine and self.lost[name, shard] <= limit
                )
                self.lost.update((name, shard) for shard in fresh)
                if fresh:
                    ready[name] = fresh
        return ready

    def _mine(self) -> set[tuple[str, int]]:
        """Return the (job, shard) pairs that run or wait here."""
        in_hand = [(entry, element) for entry, element, _ in self.waiting]
        in_hand += [(run.submission, run.element) for run in self.running]
        return {(entry.job, shard) for entry, element in in_hand for shard in entry.elements[element]}

    def _enqueue(self, job: Job, shards: tuple[int, ...], code: Any) -> None:
        write_job(self.journey, job, code)
        number = last_number(read_submissions(self.journey.paths)) + 1
        for elements in chunks(shards, job.resources.units_per_element, MANY):
            submission = new_submission(job, elements, number)
            write_script(self.journey.paths, submission.key, script_for(self.journey, job, submission, code, ()))
            write_submission(self.journey.paths, submission)
            self.waiting.extend((submission, element, 0) for element in range(len(elements)))

    def _start_what_fits(self) -> None:
        while self.waiting and not self.stopping:
            submission, element, restart = self.waiting[0]
            job = self.journey.graph.jobs[submission.job]
            cores = min(self.cores, job.step.ranks * job.resources.cpus)
            busy = sum(run.cores for run in self.running)
            if (
                busy + cores > self.cores
                or sum(run.submission.key == submission.key for run in self.running) >= job.resources.throttle
            ):
                return
            self.waiting.popleft()
            paths = self.journey.paths
            executor = ElementExecutor(paths, job.resources.time_min, self.journey.cluster.signal_lead_s)
            script, log = paths.scripts / f"{submission.key}.sh", paths.log(job.name, submission.key, element)
            process = executor.start(script, log, element, restart)
            self.running.append(Running(submission, element, restart, process, cores))

    def _collect(self) -> None:
        """Take note of elements that ended; start those again that ask for it."""
        for run in [run for run in self.running if run.process.done()]:
            self.running.remove(run)
            name = f"{run.submission.job}/{'+'.join(map(str, run.submission.elements[run.element][:3]))}"
            path = self.journey.paths.attempt(run.submission.job, run.submission.key, run.element, run.restart, "end")
            end = (
                read_json(path)
                if path.exists()
                else {"verdict": "lost", "reason": "ended without a word", "progress": -1}
            )
            if end["verdict"] in ("requeue", "bad-node") and not self.stopping:
                self.log(f"{name}: {end['reason']} at progress {end['progress']}; starting it again")
                self.waiting.appendleft((run.submission, run.element, run.restart + 1))
            elif end["verdict"] != "done":
                self.log(f"{name}: {end['reason']}")

    def _stop(self, signum: int, frame: object) -> None:
        """Only take note: what a signal interrupts here may be the start of an element."""
        self.stopping = True

    def _wind_down(self) -> None:
        """Ask what runs to save its state, and wait for it."""
        self.log(f"stopping: {len(self.running)} running element{'s' * (len(self.running) != 1)} asked to save and end")
        for run in self.running:
            run.process._process.terminate()
        deadline = time.monotonic() + STOP_WAIT_S
        while self.running and time.monotonic() < deadline:
            time.sleep(TICK_S)
            self._collect()
