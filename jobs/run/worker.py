"""What a submitted task runs: `python -m jobs.run.worker STEP_DIR KEY`, once a rank.

For each shard of its array element: check that the inputs are complete, take the lease, call the stage's function into
a fresh folder, rename the folder into place, write the completion mark. Ends with one of the agreed exit codes.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.paths import StepPaths, run_of
from jobs.run import faults
from jobs.run.rendezvous import meet
from jobs.submit.ledger import process_identity
from stages.shared.contract import input_file, shard_dir, shard_name
from stages.shared.errors import (
    EXIT_BAD_NODE,
    EXIT_CHECKPOINTED,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_NEVER,
    Checkpointed,
    DataError,
    LeaseLost,
    StagecoachError,
)
from stages.shared.files import flush_tree, read_json, replace_dir, write_json
from stages.shared.task import Ranks, Task

CODE = Path(__file__).resolve().parents[2].name
"""Digest of the snapshot that runs: the job's record may name that of a later submission."""
PROGRESS_EVERY_S = 2.0
SECOND_TERM_S = 3.0
LEADER_WAIT_S = 60.0
STRONGEST_FIRST = (EXIT_BAD_NODE, EXIT_CHECKPOINTED, EXIT_NEVER, EXIT_FAILED, EXIT_DONE)
"""Which code an element ends with: what leaves shards untried comes first, since a failed one fails again next time."""


@dataclass(frozen=True)
class Element:
    """This process's place: which element of which submission, which start of it, which rank."""

    key: str
    element: int
    restart: int
    rank: int
    local_rank: int
    world_size: int

    @property
    def token(self) -> str:
        """Names this attempt and no other."""
        return f"{self.key}.{self.element}.{self.restart}"


class Interrupted(BaseException):
    """Raised in the midst of a step that cannot resume when the scheduler wants it gone. Not to be caught there."""


class StopFlag:
    """Remembers that the scheduler wants this process to stop.

    A step that resumes polls it and saves its state; one that does not is interrupted at once, for what it has of the
    present shard is lost either way. Only the step: the worker's own records are never cut short. A second TERM some
    seconds after the first means now.
    """

    def __init__(self, resumes: bool) -> None:
        self.resumes = resumes
        self.is_set = False
        self.signal = ""
        self._since = 0.0
        self._interrupts = False

    def install(self) -> None:
        """Listen to USR2 (time limit, preemption) and TERM (preemption, cancel, Ctrl-C)."""
        signal.signal(signal.SIGUSR2, self._ask)
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _ask(self, signum: int, frame: object) -> None:
        if self.is_set and signum == signal.SIGTERM and time.monotonic() - self._since > SECOND_TERM_S:
            os._exit(128 + signum)
        if not self.is_set:
            self.is_set, self.signal, self._since = True, signal.Signals(signum).name, time.monotonic()
            if self._interrupts:
                raise Interrupted

    @contextlib.contextmanager
    def over_a_step(self) -> Iterator[None]:
        """Within, a step that does not resume is interrupted; at once if the signal came before."""
        self._interrupts = not self.resumes
        try:
            if self.is_set and self._interrupts:
                raise Interrupted
            yield
        finally:
            self._interrupts = False


class Worker:
    """Runs the shards of one element."""

    def __init__(self, step: StepPaths, place: Element) -> None:
        self.step, self.place, self.run = step, place, run_of(step.root)
        self.job: Mapping[str, Any] = read_json(step.job_json)
        record = read_json(self.run.submissions / self.job["job"] / f"{place.key}.json")
        self.shards: list[int] = record["elements"][place.element]
        self.stop = StopFlag(resumes=self.job["can_resume"])
        self.best = -1
        self._written = 0.0

    @property
    def leads(self) -> bool:
        """True on the one rank that writes records and marks."""
        return self.place.rank == 0

    def attempt_file(self, part: str) -> Path:
        """Return one of this attempt's files in the ledger."""
        return self.run.attempt(self.job["job"], self.place.key, self.place.element, self.place.restart, part)

    def main(self) -> int:
        """Run all shards and return the exit code, the strongest of what happened to any of them."""
        self.stop.install()
        # Megatron tells every process at every start that Apex is not there; people look for other things in a log.
        warnings.filterwarnings("ignore", module=r"megatron\.")
        if self.leads:
            write_json(self.attempt_file("start"), self._start_record())
        config = self._config()
        codes, failed = [EXIT_DONE], {}
        for position, shard in enumerate(self.shards):
            if not self.stop.resumes:  # what survives an attempt of such a step is its finished shards
                self.best = position
            if self.step.mark(shard).exists():
                continue
            if self.stop.is_set:
                codes.append(EXIT_CHECKPOINTED)
                break
            if self.leads:
                self._write_progress(force=True)
            code, reason = self._guarded(config, shard)
            codes.append(code)
            if reason:
                failed[str(shard)] = reason
                self._note_trouble(code, reason)
            if code in (EXIT_CHECKPOINTED, EXIT_BAD_NODE):
                break
        code = next(code for code in STRONGEST_FIRST if code in codes)
        if self.leads:
            self._write_progress(force=True)
            write_json(self.attempt_file("result"), {"exit_code": code, "failed": failed, "signal": self.stop.signal})
        elif code == EXIT_CHECKPOINTED:
            self._wait_for_leader()
        return code

    def _guarded(self, config: Any, shard: int) -> tuple[int, str]:
        """Run one shard; a failure is told in one line and does not take the element's other shards with it."""
        try:
            self._run_shard(config, shard)
        except Checkpointed:
            print(f"{self._name(shard)}: state saved, to be continued", flush=True)
            return EXIT_CHECKPOINTED, ""
        except Interrupted:
            print(f"{self._name(shard)}: interrupted, to be started again", flush=True)
            return EXIT_CHECKPOINTED, ""
        except StagecoachError as error:
            print(f"{self._name(shard)}: {error}", file=sys.stderr, flush=True)
            return error.exit_code, str(error)
        except (Exception, SystemExit) as error:  # a library's exit() is no way for a shard to be done
            traceback.print_exc()
            if successor := self._successor(shard):  # which cleared away what this attempt was writing to
                return EXIT_NEVER, successor
            return EXIT_FAILED, f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return EXIT_DONE, ""

    def _run_shard(self, config: Any, shard: int) -> None:
        self._check_inputs()
        due = faults.planted(self.run, self.job["job"], shard) if self.leads else []
        out, work = self.step.aside(shard, self.place.token), self.step.work(shard)
        if self.leads:
            self._clear_asides(shard)
            out.mkdir(parents=True)
            work.mkdir(parents=True, exist_ok=True)
            write_json(self.step.lease(shard), {"owner": self.place.token, "node": socket.gethostname()})
        ranks = self._ranks(shard)
        faults.fire_due(self.run, [fault for fault in due if fault.progress == 0], 0)

        def progress(done: int) -> None:
            if self.stop.resumes:
                self.best = max(self.best, done)
            if self.leads:
                self._write_progress()
                faults.fire_due(self.run, due, done)

        started = time.time()
        module, _, function = self.job["run"].partition(":")
        task = Task(
            config=config,
            step=self.job["step"],
            shard=shard,
            num_shards=self.job["shards"],
            inputs={
                name: tuple(input_file(where, source) for where, source in files)
                for name, files in self.job["inputs"].items()
            },
            steps={name: Path(path) for name, path in self.job["steps"].items()},
            out=out,
            work=work,
            run_dir=self.run.root,
            ranks=ranks,
            should_stop=lambda: self.stop.is_set,
            progress=progress,
            check_lease=lambda: self._check_lease(shard),
        )
        with self.stop.over_a_step():
            summary = getattr(importlib.import_module(module), function)(task)
        if self.leads:
            self._commit(shard, out, summary, time.time() - started)

    def _commit(self, shard: int, out: Path, summary: Any, seconds: float) -> None:
        """Make the shard's folder and its mark appear, in this order, if this attempt still owns it."""
        self._check_lease(shard)
        flush_tree(out)
        replace_dir(out, shard_dir(self.step.root, shard))
        mark = {
            "job": self.job["job"],
            "fingerprint": self.job["fingerprint"],
            "shard": shard,
            "made_by": {"code": CODE, "attempt": self.place.token, "node": socket.gethostname()},
            "finished": time.time(),
            "seconds": round(seconds, 3),
            "summary": summary,
        }
        write_json(self.step.mark(shard), mark)
        shutil.rmtree(self.step.work(shard), ignore_errors=True)
        print(f"{self._name(shard)}: done in {seconds:.1f} s", flush=True)

    def _check_inputs(self) -> None:
        """Look at the marks of what this job needs: Slurm forgets purged ids and then starts a job too early."""
        for need in self.job["needs"]:
            missing = set(range(need["shards"])) - StepPaths(Path(need["step"])).done_shards()
            if missing:
                some = ", ".join(map(str, sorted(missing)[:5]))
                raise InputsIncompleteError(
                    f"inputs incomplete: {need['job']} lacks shard {some}{' ...' if len(missing) > 5 else ''}"
                )

    def _check_lease(self, shard: int) -> None:
        if successor := self._successor(shard):
            raise LeaseLost(successor)

    def _successor(self, shard: int) -> str:
        """Return who has taken over a shard, in a sentence; "" if it is still this attempt's."""
        lease = self.step.lease(shard)
        owner = read_json(lease)["owner"] if lease.exists() else self.place.token
        if owner == self.place.token:
            return ""
        return f"attempt {owner} has taken over {self._name(shard)}; this one stops without writing"

    def _clear_asides(self, shard: int) -> None:
        """Remove what earlier attempts left half-written."""
        for leftover in (self.step.root / "shards").glob(f".{shard_name(shard)}.*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _config(self) -> Any:
        return importlib.import_module(f"stages.{self.job['stage']}.config").Config.model_validate(self.job["config"])

    def _ranks(self, shard: int) -> Ranks:
        if self.place.world_size == 1:
            return Ranks()
        address, port, listen_fd = meet(self.step.work(shard) / f"rendezvous.{self.place.token}.json", self.leads)
        return Ranks(
            rank=self.place.rank,
            world_size=self.place.world_size,
            local_rank=self.place.local_rank,
            master_addr=address,
            master_port=port,
            listen_fd=listen_fd,
        )

    def _note_trouble(self, code: int, reason: str) -> None:
        """Have the first rank that fails say where and why: the others soon fail too, because it did, or are killed."""
        if self.place.world_size == 1:
            return
        path = self.attempt_file("trouble")
        aside = path.with_name(f".{path.name}.{self.place.rank}")
        write_json(aside, {"exit_code": code, "reason": f"rank {self.place.rank}: {reason}", "node": self._node()})
        with contextlib.suppress(OSError):  # another rank was first, or the file system has no hard links
            os.link(aside, path)
        aside.unlink()

    def _wait_for_leader(self) -> None:
        """Let rank 0 finish its records: srun ends all ranks when one ends with another code than 0."""
        deadline = time.monotonic() + LEADER_WAIT_S
        while not self.attempt_file("result").exists() and time.monotonic() < deadline:
            time.sleep(0.1)

    @staticmethod
    def _node() -> str:
        return os.environ.get("SLURMD_NODENAME", socket.gethostname())

    def _write_progress(self, force: bool = False) -> None:
        now = time.monotonic()
        if self.best >= 0 and (force or now - self._written > PROGRESS_EVERY_S):
            self._written = now
            write_json(self.attempt_file("progress"), {"progress": self.best})

    def _start_record(self) -> dict[str, Any]:
        return {
            "job": self.job["job"],
            "fingerprint": self.job["fingerprint"],
            "shards": self.shards,
            "key": self.place.key,
            "element": self.place.element,
            "restart": self.place.restart,
            "slurm_id": f"{os.environ['SLURM_ARRAY_JOB_ID']}_{self.place.element}"
            if "SLURM_ARRAY_JOB_ID" in os.environ
            else "",
            "node": self._node(),
            "nodes": os.environ.get("SLURM_JOB_NODELIST", socket.gethostname()),
            "pid": os.getpid(),
            "process": process_identity(os.getpid()),
            "started": time.time(),
        }

    def _name(self, shard: int) -> str:
        return f"{self.job['job']}/{shard}"


class InputsIncompleteError(StagecoachError):
    """What this job needs is not finished; `heal` finishes it and submits this job again."""


def place_from_environment(key: str) -> Element:
    """Return this process's place, as the batch script and srun (or jobs.run.ranks) set it."""
    get = os.environ.get
    return Element(
        key=key,
        element=int(os.environ["STAGECOACH_ELEMENT"]),
        restart=int(os.environ["STAGECOACH_RESTART"]),
        rank=int(get("SLURM_PROCID") or get("STAGECOACH_RANK") or 0),
        local_rank=int(get("SLURM_LOCALID") or get("STAGECOACH_RANK") or 0),
        world_size=int(os.environ["STAGECOACH_RANKS"]),
    )


def main() -> None:
    """Run the element that the environment names."""
    step_dir, key = sys.argv[1:]
    try:
        code = Worker(StepPaths(Path(step_dir)), place_from_environment(key)).main()
    except DataError as error:
        print(f"worker: {error}", file=sys.stderr)
        code = error.exit_code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # not sys.exit: threads and process groups that a library left behind must not hold the node


if __name__ == "__main__":
    main()
