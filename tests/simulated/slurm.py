"""A simulated Slurm: arrays, holds, dependencies, throttles, requeues and limits, on a clock that tests advance.

Behaves as measured on Slurm 22.05: `afterok` on an array waits for all elements and never heals by itself, unknown ids
count as met, a requeued element waits, a throttle is an array's own. commands.py puts the real commands in front of it.
"""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

REQUEUE_S = 121
PENDING, RUNNING, DONE, FAILED, CANCELLED = "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"
OVER = frozenset((DONE, FAILED, CANCELLED))
HELD_USER, LAUNCH_FAILED = "JobHeldUser", "launch failed requeued held"


@dataclass
class Element:
    """One task of an array."""

    state: str = PENDING
    restarts: int = 0
    node: str = ""
    not_before: float = 0.0
    hold: str = ""
    """Reason of its hold."""
    started: float = 0.0
    frees: bool = False
    """Whether its dependency was removed."""
    excluded: str = ""


@dataclass
class Array:
    """One array in the queue."""

    id: int
    flags: dict[str, str]
    script: str
    elements: dict[int, Element]
    throttle: int
    dependency: str = ""
    never: bool = False
    running: int = 0
    over: int = 0

    @property
    def comment(self) -> str:
        return self.flags.get("comment", "")

    def __post_init__(self) -> None:
        self.waiting = set(self.elements)
        """Pending elements."""


@dataclass(frozen=True)
class Outcome:
    """What becomes of one start of an element."""

    seconds: float
    end: str
    """done, failed, requeue (by the batch script), died (with its node, requeued by Slurm), lost (scancel), held."""


Work = Callable[[Array, int, Element], Outcome]
Ended = Callable[[Array, int, Element, Outcome], None]


class RefusedError(Exception):
    """What a command says on stderr."""


@dataclass
class Slurm:
    """The controller."""

    work: Work
    ended: Ended = lambda array, index, element, outcome: None
    nodes: int = 64
    cpus: int = 64
    max_array_size: int = 1001
    max_jobs: int = 1_000_000
    """MaxJobCount: unfinished elements."""
    now: float = 1_000_000.0
    arrays: dict[int, Array] = field(default_factory=dict)
    sbatch_calls: int = 0
    starts: int = 0
    last_id: int = 99

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Array, int, Outcome]] = []
        self._order = itertools.count()
        self._free = self.nodes * self.cpus

    def submit(self, script: str, more: Mapping[str, str]) -> int:
        """Take an array and return its id. Raises RefusedError."""
        self.sbatch_calls += 1
        flags = {**flags_of(script), **more}
        first, last, throttle = array_of(flags["array"])
        if last >= self.max_array_size:
            raise RefusedError("Batch job submission failed: Invalid job array specification")
        if flags.get("partition", "main") not in ("main", "long"):
            raise RefusedError(f"invalid partition specified: {flags['partition']}")
        if sum(len(each.elements) - each.over for each in self.arrays.values()) + last - first + 1 > self.max_jobs:
            raise RefusedError("Slurm temporarily unable to accept job, sleeping and retrying")
        self.last_id += 1
        hold = HELD_USER if "hold" in flags else ""
        elements = {index: Element(hold=hold) for index in range(first, last + 1)}
        self.arrays[self.last_id] = Array(self.last_id, flags, script, elements, throttle, flags.get("dependency", ""))
        return self.last_id

    def named(self, text: str) -> Iterator[tuple[Array, int]]:
        """Yield the elements of an id, `<array>` or `<array>_<element>`. Raises RefusedError for a purged one."""
        number, _, index = text.partition("_")
        array = self.arrays.get(int(number))
        if array is None or (index and int(index) not in array.elements):
            raise RefusedError("Invalid job id specified")
        yield from ((array, each) for each in ([int(index)] if index else array.elements))

    def release(self, text: str) -> None:
        for array, index in self.named(text):
            array.elements[index].hold = ""

    def hold(self, text: str) -> None:
        for array, index in self.named(text):
            if array.elements[index].state == PENDING:
                array.elements[index].hold = HELD_USER

    def depend(self, text: str, dependency: str) -> None:
        array = next(self.named(text))[0]
        if "_" in text:
            for _, index in self.named(text):
                array.elements[index].frees = not dependency
        else:
            array.dependency, array.never = dependency, False

    def cancel(self, text: str) -> None:
        """Cancel what is not over; running elements end without a verdict."""
        for array, index in list(self.named(text)):
            element = array.elements[index]
            if element.state not in OVER:
                self._leave(array, index, CANCELLED)

    def requeue(self, text: str) -> None:
        for array, index in list(self.named(text)):
            element = array.elements[index]
            if element.state == RUNNING:
                self._again(array, index)
            elif element.state in OVER:
                array.over -= 1
                element.state, element.not_before = PENDING, self.now + REQUEUE_S
                element.restarts += 1
                array.waiting.add(index)

    def purge(self) -> None:
        """Forget arrays that are over, as Slurm does after MinJobAge."""
        self.arrays = {key: each for key, each in self.arrays.items() if each.over < len(each.elements)}

    def wipe(self) -> None:
        """Lose the controller's state: no job, and ids that begin anew."""
        self.arrays, self._events, self.last_id, self._free = {}, [], 99, self.nodes * self.cpus

    def advance(self, seconds: float) -> None:
        """Let time pass: elements start and end."""
        until = self.now + seconds
        self._start()
        while self._events and self._events[0][0] <= until:
            self.now = self._events[0][0]
            while self._events and self._events[0][0] <= self.now:
                self._end(*heapq.heappop(self._events)[2:])
            self._start()
        self.now = until

    def drain(self, limit_s: float = 1e7) -> None:
        """Advance until nothing more happens by itself."""
        until = self.now + limit_s
        while self.now < until:
            self._start()
            ahead = (
                [self._events[0][0]]
                if self._events
                else [
                    array.elements[index].not_before
                    for array in self.arrays.values()
                    for index in array.waiting
                    if array.elements[index].not_before > self.now and not array.elements[index].hold
                ]
            )
            if not ahead:
                return
            self.advance(max(0.001, min(ahead) - self.now))

    def reason(self, array: Array, element: Element) -> str:
        """Return the reason in squeue's column."""
        if element.state == RUNNING:
            return "None"
        if element.hold:
            return element.hold
        if array.dependency and not element.frees:
            return "DependencyNeverSatisfied" if array.never else "Dependency"
        if element.not_before > self.now:
            return "BeginTime"
        return "JobArrayTaskLimit" if array.running >= array.throttle else "Priority"

    def _start(self) -> None:
        for array in list(self.arrays.values()):
            if not array.waiting or self._free <= 0 or array.running >= array.throttle:
                continue
            met = self._is_met(array)
            for index in sorted(array.waiting):
                element = array.elements[index]
                if self._free <= 0 or array.running >= array.throttle:
                    break
                if element.hold or element.not_before > self.now or not (met or element.frees):
                    continue
                self._begin(array, index, element)

    def _begin(self, array: Array, index: int, element: Element) -> None:
        self._free -= 1
        self.starts += 1
        array.running += 1
        array.waiting.discard(index)
        element.state, element.node = RUNNING, self._node(element, index)
        element.started = self.now
        outcome = self.work(array, index, element)
        heapq.heappush(self._events, (self.now + outcome.seconds, next(self._order), array, index, outcome))

    def _node(self, element: Element, index: int) -> str:
        names = (f"n{(index + self.starts + shift) % self.nodes + 1}" for shift in range(self.nodes))
        return next(name for name in names if name not in element.excluded.split(","))

    def _end(self, array: Array, index: int, outcome: Outcome) -> None:
        element = array.elements[index]
        if element.state != RUNNING or element.started + outcome.seconds != self.now or array.id not in self.arrays:
            return  # it was cancelled or requeued meanwhile
        self.ended(array, index, element, outcome)
        if outcome.end in ("requeue", "died"):
            self._again(array, index)
        elif outcome.end == "held":
            self._again(array, index)
            element.hold = LAUNCH_FAILED
        else:
            self._leave(array, index, {"done": DONE, "lost": CANCELLED}.get(outcome.end, FAILED))

    def _again(self, array: Array, index: int) -> None:
        element = array.elements[index]
        array.running -= 1
        self._free += 1
        element.state, element.not_before, element.node = PENDING, self.now + REQUEUE_S, ""
        element.restarts += 1
        array.waiting.add(index)

    def _leave(self, array: Array, index: int, state: str) -> None:
        element = array.elements[index]
        if element.state == RUNNING:
            array.running -= 1
            self._free += 1
        element.state = state
        array.waiting.discard(index)
        array.over += 1

    def _is_met(self, array: Array) -> bool:
        """Return whether an array's dependency is met. Side effect: a failed one is marked for good."""
        kinds = [part.partition(":") for part in array.dependency.split(",") if part]
        met = True
        for kind, _, ids in kinds:
            for text in ids.split(":"):
                whole = self.arrays.get(int(text)) if text.isdigit() else None
                if whole is not None and whole.over < len(whole.elements):
                    return False
                try:
                    above = [each.elements[index].state for each, index in self.named(text)]
                except RefusedError:
                    continue
                if any(state not in OVER for state in above):
                    met = False
                elif kind == "afterok" and any(state != DONE for state in above):
                    array.never = True
        if met and not array.never:
            array.dependency = ""
        return met and not array.never


def flags_of(script: str) -> dict[str, str]:
    """Return the #SBATCH flags of a script by long name."""
    found = {}
    for line in re.findall(r"^#SBATCH --(.*)$", script, re.MULTILINE):
        name, _, value = line.partition("=")
        found[name] = value[1:-1].replace("'\"'\"'", "'") if value.startswith("'") else value
    return found


def array_of(text: str) -> tuple[int, int, int]:
    """Return first index, last index and throttle of a value of --array."""
    match = re.fullmatch(r"(\d+)-(\d+)(?:%(\d+))?", text)
    if match is None:
        raise RefusedError("Batch job submission failed: Invalid job array specification")
    first, last = int(match[1]), int(match[2])
    return first, last, int(match[3] or last - first + 1)
