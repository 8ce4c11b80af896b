"""The work of a simulated cluster's elements: the records, marks and outputs that real workers leave, in no time.

One process stands for all nodes. Verdicts are the real ones (jobs.run.attempt_end.judge); failures are drawn for each
(element, restart) from a seed.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jobs.paths import RunPaths, StepPaths
from jobs.run.attempt_end import judge
from jobs.submit.ledger import is_cancelled, read_assignment, read_part
from jobs.submit.slurm import COMMENT
from stages.formats.attempts import (
    TYPES,
    Attempt,
    AttemptName,
    EndRecord,
    ProgressRecord,
    Record,
    ResultRecord,
    StartRecord,
)
from tests.simulated.slurm import Array, Element, Outcome

FAULTS: Mapping[str, float] = {"fail": 0.01, "kill": 0.01, "node": 0.01, "scancel": 0.005, "launch": 0.005}
"""Share of starts that meet each kind of failure."""
TEXT = "hello\n"
FILES = {"text": {"bytes": 6, "sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"}}


@dataclass
class Workers:
    """All workers of one run."""

    run: RunPaths
    seed: int = 0
    faults: Mapping[str, float] = field(default_factory=lambda: FAULTS)
    met: Counter[str] = field(default_factory=Counter)
    """Failures so far, by kind."""
    computed: Counter[str] = field(default_factory=Counter)
    """How often each unit was computed to its end."""

    def __post_init__(self) -> None:
        self._jobs: dict[str, dict[str, Any]] = {}

    def work(self, array: Array, index: int, element: Element) -> Outcome:
        """Return what becomes of a start. Slurm calls it when the element starts."""
        if not COMMENT.match(array.comment):  # a job of somebody else
            return Outcome(60.0, "done")
        job, key = self._names(array)
        if is_cancelled(self.run, key):
            return Outcome(1.0, "failed")
        draw = random.Random(f"{self.seed}/{job}/{self._units(job, key, index)[0]['key']}/{self.met.total()}")
        kind = next((name for name, share in self.faults.items() if draw.random() < share), "")
        seconds = draw.uniform(20.0, 60.0)
        ends = {"": "done", "fail": "failed", "kill": "requeue", "node": "died", "scancel": "lost", "launch": "held"}
        if kind:
            self.met[kind] += 1
        if kind != "launch":
            units = tuple(unit["key"] for unit in self._units(job, key, index))
            start = StartRecord(
                fingerprint="", units=units, node=element.node, nodes=element.node, started=element.started
            )
            self._write(self._attempt(array, index, element), start)
        return Outcome(seconds, ends[kind])

    def ended(self, array: Array, index: int, element: Element, outcome: Outcome) -> None:
        """Leave behind what the end of a start leaves."""
        if not COMMENT.match(array.comment):
            return
        job, key = self._names(array)
        if outcome.end in ("died", "lost", "held") or is_cancelled(self.run, key):
            return
        units = self._units(job, key, index)
        name = self._attempt(array, index, element)
        if outcome.end == "done":
            for unit in units:
                self._finish(job, unit)
            self._write(name, ProgressRecord(progress=len(units)))
        code = {"done": 0, "failed": 1, "requeue": 137}[outcome.end]
        if outcome.end != "requeue":
            failed = {} if outcome.end == "done" else {units[0]["key"]: "RuntimeError: planted"}
            self._write(name, ResultRecord(exit_code=code, failed=failed))
        past = [Attempt(name=AttemptName(job, key, index, n)) for n in range(element.restarts)]
        verdict = judge(code, past, len(units) if not code else -1, can_resume=False, max_stalls=100)
        end = EndRecord(
            ended=element.started + outcome.seconds,
            exit_code=code,
            verdict=verdict.word,
            reason=verdict.reason,
            progress=-1,
        )
        self._write(name, end)

    def _finish(self, job: str, unit: Mapping[str, Any]) -> None:
        step = StepPaths(Path(self._job_of(job)["step_dir"]))
        if step.is_marked(unit["folder"]):
            return
        step.unit(unit["folder"]).mkdir(parents=True, exist_ok=True)
        (step.unit(unit["folder"]) / "text").write_text(TEXT)
        mark = {"job": job, "unit": unit["key"], "identity": unit["identity"], "files": FILES, "seconds": 1.0}
        _quickly(step.mark(unit["folder"]), mark)
        _quickly(step.lease(unit["folder"]), {"owner": "simulated", "node": "n1"})
        self.computed[f"{job}/{unit['folder']}"] += 1

    @staticmethod
    def _names(array: Array) -> tuple[str, str]:
        match = COMMENT.match(array.comment)
        assert match is not None, array.comment
        return array.flags["job-name"].rpartition(":")[2], match["key"]

    def _units(self, job: str, key: str, index: int) -> list[dict[str, Any]]:
        self._jobs.setdefault(job, read_assignment(self.run, job, key))
        return list(read_part(self.run, job, key, index + 1))

    def _job_of(self, job: str) -> dict[str, Any]:
        return self._jobs[job]

    def _attempt(self, array: Array, index: int, element: Element) -> AttemptName:
        return AttemptName(*self._names(array), index, element.restarts)

    def _write(self, name: AttemptName, record: Record) -> None:
        _quickly(name.path(self.run.attempts, TYPES[type(record)]), asdict(record))
        log = self.run.log(name.job, name.key, name.element)
        if isinstance(record, StartRecord) and log.parent.is_dir():
            with log.open("a", encoding="utf-8") as file:
                file.write(f"stagecoach: attempt {name.restart + 1} on {record.node}\n")


def _quickly(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON without waiting for the disk: a test writes a million of these."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
