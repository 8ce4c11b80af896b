"""Where everything of a run lies. The only module that knows a file name inside a run folder.

runs/<run>/
  run.json                        what was asked: recipe, cluster, resolved sections
  code/<digest>/                  the code that was submitted, and therefore runs
  steps/<job>/<fingerprint>/      job.json  shards/00000/...  done/00000.json  lease/  work/
  ledger/submissions/<job>/       <key>.json, one per array handed to the scheduler
  ledger/attempts/<job>/          <key>.<element>.<restart>.{start,progress,result,trouble,end}.json
  report.html                     the newest report
  scripts/ logs/<job>/            the batch scripts as submitted; one log per array element
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.shared.contract import shard_name


@dataclass(frozen=True)
class RunPaths:
    """A run folder."""

    root: Path

    @property
    def run_json(self) -> Path:
        """The run's own record."""
        return self.root / "run.json"

    @property
    def report(self) -> Path:
        """The newest report, or a link to it."""
        return self.root / "report.html"

    @property
    def lock(self) -> Path:
        """Held by the launcher that is at work, and names its process."""
        return self.root / ".lock"

    @property
    def code(self) -> Path:
        """Snapshots of the code, by digest."""
        return self.root / "code"

    @property
    def submissions(self) -> Path:
        """Submission records, a folder per job."""
        return self.root / "ledger" / "submissions"

    @property
    def attempts(self) -> Path:
        """Attempt records, a folder per job."""
        return self.root / "ledger" / "attempts"

    @property
    def cancels(self) -> Path:
        """One file per cancelled submission."""
        return self.root / "ledger" / "cancels"

    @property
    def faults(self) -> Path:
        """Faults planted on purpose, and the marks of those that fired."""
        return self.root / "ledger" / "faults"

    @property
    def scripts(self) -> Path:
        """Batch scripts as they were submitted; submitit's folder."""
        return self.root / "scripts"

    def step(self, job: str, fingerprint: str) -> StepPaths:
        """Return the folder of one identity of a job."""
        return StepPaths(self.root / "steps" / job / fingerprint[:12])

    def logs(self, job: str) -> Path:
        """Return the folder of a job's logs, one file per array element."""
        return self.root / "logs" / job

    def log(self, job: str, key: str, element: int | str) -> Path:
        """Return the log of an array element, or the pattern of all if `element` is a placeholder."""
        return self.logs(job) / f"{key}.{element}.log"

    def attempt(self, job: str, key: str, element: int, restart: int, part: str) -> Path:
        """Return an attempt's file; part is start, progress, result, end, or trouble (of the first rank to fail)."""
        return self.attempts / job / f"{key}.{element}.{restart}.{part}.json"


@dataclass(frozen=True)
class StepPaths:
    """The folder of one step at one identity."""

    root: Path

    @property
    def job_json(self) -> Path:
        """What the worker needs to run a shard."""
        return self.root / "job.json"

    @property
    def done(self) -> Path:
        """Folder of completion marks."""
        return self.root / "done"

    def mark(self, shard: int) -> Path:
        """Return a shard's completion mark."""
        return self.done / f"{shard_name(shard)}.json"

    def lease(self, shard: int) -> Path:
        """Return the file that says who may write this shard."""
        return self.root / "lease" / f"{shard_name(shard)}.json"

    def work(self, shard: int) -> Path:
        """Return a shard's folder that survives attempts."""
        return self.root / "work" / shard_name(shard)

    def aside(self, shard: int, token: str) -> Path:
        """Return the folder one attempt writes to before it is renamed."""
        return self.root / "shards" / f".{shard_name(shard)}.{token}"

    def done_shards(self) -> frozenset[int]:
        """Return the finished shards: one listing of one folder."""
        if not self.done.is_dir():
            return frozenset()
        return frozenset(
            int(path.stem) for path in self.done.iterdir() if path.stem.isdigit() and path.suffix == ".json"
        )


def run_of(step_root: Path) -> RunPaths:
    """Return the run that a step folder belongs to."""
    return RunPaths(step_root.parents[2])
