"""Chaos on the testbed: `python -m tests.chaos --minutes 20 --seed 1`.

Toy journeys (units that are made, a march that resumes, a last step that reads all) run on a real Slurm, one after
another, under random faults: processes, batch scripts, daemons and launchers are killed, elements are cancelled,
requeued and held, nodes go down or are drained, a writer is stopped and wakes up later. Each journey is then healed in
peace. It must end with the bytes of a calm run, with an empty queue, and with no unit begun more often than its
failures explain. Prints faults by kind with the seconds until the run got on. Exit code 1 if a journey is not so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from envs.testbed import control, daemons
from jobs.submit.ledger import Ledger
from jobs.upkeep.waste import cost_of
from stages.formats.attempts import Attempt, read_attempts
from tests.jobs.on_slurm import CLUSTER, OnSlurm, text
from tests.jobs.toy_stage import make_code_root

UNITS, PACES = 24, 60
PEACE_S = 600.0
"""Longest time to heal a journey once the faults have ended."""
NODES = ("n1", "n2", "n3", "n4")


class Chaos:
    """Faults on the testbed, drawn from a seed."""

    def __init__(self, seed: int, minutes: float) -> None:
        self.draw = random.Random(seed)
        self.end = time.monotonic() + 60 * minutes
        self.recoveries: defaultdict[str, list[float]] = defaultdict(list)
        self.problems: list[str] = []
        self.lost_hours = 0.0

    def faults(self, toy: OnSlurm) -> dict[str, Callable[[], bool]]:
        """Return the kinds of faults; each returns whether it found something to break."""
        return {
            "kill a worker": lambda: self._signal("jobs.run.worker", signal.SIGKILL),
            "kill a batch script": lambda: self._signal("slurm_script", signal.SIGKILL),
            "stop a writer": self._stop,
            "scancel an element": lambda: self._on_element(toy, "scancel"),
            "requeue an element": lambda: self._on_element(toy, "scontrol", "requeue"),
            "hold an element": lambda: self._on_element(toy, "scontrol", "hold"),
            "kill a slurmd": lambda: self._daemon(self.draw.choice([f"slurmd-{node}" for node in NODES])),
            "kill slurmctld": lambda: self._daemon("slurmctld"),
            "munge down": lambda: self._daemon("munged"),
            "node down": lambda: self._node("down"),
            "node drain": lambda: self._node("drain"),
            "kill a launcher": lambda: self._launcher(toy),
        }

    def journey(self, toy: OnSlurm) -> None:
        """Run a journey under faults until it is finished or time is over, then heal it in peace and look at it."""
        _call(toy, "run")
        kinds = self.faults(toy)
        while time.monotonic() < self.end and not toy.is_done():
            time.sleep(self.draw.uniform(1.0, 4.0))
            kind = self.draw.choice(sorted(kinds))
            before, began = _got_on(toy), time.monotonic()
            if kinds[kind]():
                self._recover(toy)
                while _got_on(toy) == before and time.monotonic() < began + PEACE_S and not toy.is_done():
                    time.sleep(0.5)
                    _call(toy, "heal")
                self.recoveries[kind].append(time.monotonic() - began)
                print(f"{kind}: on again after {self.recoveries[kind][-1]:.0f} s", flush=True)
        self._finish(toy)

    def _recover(self, toy: OnSlurm) -> None:
        """Do what an administrator does: daemons start again, nodes come back, what people held is let go."""
        time.sleep(self.draw.uniform(0.0, 3.0))
        control.up()
        for node in NODES:
            with contextlib.suppress(AssertionError):
                toy.slurm("scontrol", "update", f"nodename={node}", "state=resume")
        for row in toy.rows():
            if row.reason == "JobHeldUser":
                with contextlib.suppress(AssertionError):
                    toy.slurm("scontrol", "release", row.slurm_id)
        _call(toy, "heal")

    def _finish(self, toy: OnSlurm) -> None:
        end = time.monotonic() + PEACE_S
        while not toy.is_done() and time.monotonic() < end:
            control.up()
            _call(toy, "heal")
            time.sleep(3.0)
        time.sleep(2.0)
        if not toy.is_done():
            self.problems.append(f"{toy.name}: not finished: {toy.launch('status').stdout[-600:]}")
            return
        if toy.gathered() != text(PACES, UNITS):
            self.problems.append(f"{toy.name}: other bytes than the calm run's")
        _call(toy, "cancel", "--strays")
        if rows := toy.rows():
            self.problems.append(f"{toy.name}: left in the queue: {rows}")
        entries = {entry.key: entry for entry in Ledger(toy.run).submissions()}
        attempts = read_attempts(toy.run.attempts)
        for job in ("toy.make", "toy.march", "toy.gather"):
            own = [attempt for attempt in attempts if attempt.name.job == job]
            self.lost_hours += cost_of(job, entries, own, 1).lost_core_hours
        self._count(toy, attempts)

    def _count(self, toy: OnSlurm, attempts: Sequence[Attempt]) -> None:
        """Compare the calls of each unit of `make` with the attempts that did not finish it."""
        for place in range(UNITS):
            made = [each for each in attempts if each.name.job == "toy.make"]
            own = [each for each in made if each.start and str(place) in each.start.units]
            unfinished = sum(each.end is None or each.end.verdict != "done" for each in own)
            if (calls := toy.calls()[f"make.{place}"]) > unfinished + 1:
                self.problems.append(f"{toy.name}: make.{place} was begun {calls} times, {unfinished} attempts failed")

    def _signal(self, title: str, number: signal.Signals) -> bool:
        found = [pid for pid in daemons.offspring(control.home()) if title in _title(pid)]
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.draw.choice(found), number)
        return bool(found)

    def _stop(self) -> bool:
        """Stop a worker and let it wake up when a successor may be at work."""
        found = [pid for pid in daemons.offspring(control.home()) if "jobs.run.worker" in _title(pid)]
        if not found:
            return False
        pid = self.draw.choice(found)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self.draw.uniform(1.0, 5.0))
            os.kill(pid, signal.SIGCONT)
        return True

    def _on_element(self, toy: OnSlurm, *words: str) -> bool:
        rows = [row.slurm_id for row in toy.rows() if row.state in ("RUNNING", "PENDING")]
        if rows:
            with contextlib.suppress(AssertionError):  # it has just ended
                toy.slurm(*words, self.draw.choice(rows))
        return bool(rows)

    def _daemon(self, name: str) -> bool:
        pid = daemons.running(control.home()).get(name)
        if pid:
            os.kill(pid, signal.SIGKILL)
        return pid is not None

    def _node(self, state: str) -> bool:
        node = self.draw.choice(NODES)
        command = ["scontrol", "update", f"nodename={node}", f"state={state}", "reason=chaos"]
        environment = {**os.environ, **control.environment()}
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0

    def _launcher(self, toy: OnSlurm) -> bool:
        process = toy.begin("heal")
        time.sleep(self.draw.uniform(0.2, 2.5))
        process.kill()
        process.wait()
        return True


def _call(toy: OnSlurm, verb: str, *more: str) -> None:
    """Call a verb; while daemons are down it may fail, and is called again later."""
    toy.launch(verb, *more)


def _got_on(toy: OnSlurm) -> tuple[int, int]:
    """Return what shows that a run gets on: marks, and paces of the march."""
    return sum(1 for _ in toy.run.root.glob("steps/*/*/done/*.json")), toy.paces()


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def journeys(code: Path, home: Path) -> Iterator[OnSlurm]:
    """Yield toy journeys, each with a folder of its own."""
    for number in range(1_000):
        settings = {"units": UNITS, "paces": PACES, "pause_s": 0.3}
        yield OnSlurm(code, home / str(number), control.environment(), CLUSTER, settings, {}, f"chaos-{number}")


def main() -> int:
    """Make chaos and print what came of it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chaos = Chaos(arguments.seed, arguments.minutes)
    finished = 0
    with control.borrow(), tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        code = make_code_root(Path(folder) / "code")
        for toy in journeys(code, Path(folder)):
            chaos.journey(toy)
            finished += 1
            if time.monotonic() > chaos.end:
                break
    total = sum(map(len, chaos.recoveries.values()))
    print(f"\n{total} faults in {finished} journeys, {chaos.lost_hours * 3600:.0f} core-seconds lost")
    for kind, seconds in sorted(chaos.recoveries.items()):
        print(f"{len(seconds):4}  {kind:22}  on again after {statistics.median(seconds):4.0f} s (median)")
    for problem in chaos.problems:
        print(f"FAIL {problem}", file=sys.stderr)
    return int(bool(chaos.problems))


if __name__ == "__main__":
    raise SystemExit(main())
