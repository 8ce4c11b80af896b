"""Runs one array element: `python -m jobs.run.worker RUN_DIR JOB KEY`, once for each rank.

For each unit of the element: check that the inputs are complete, take the lease, call the stage's function into a fresh
folder, rename the folder into place, write the completion mark. Ends with one of the agreed exit codes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import shutil
import signal
import socket
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jobs.marks import content, damage
from jobs.paths import RunPaths, StepPaths, same_key
from jobs.plan.identity import changed_files
from jobs.run import faults
from jobs.run.element import Element, place_from_environment
from jobs.run.preflight import problems
from jobs.run.rendezvous import meet
from jobs.submit.ledger import claim, is_cancelled, process_identity, read_assignment, read_part
from stages.formats.attempts import (
    RESULT,
    TROUBLE,
    AttemptName,
    ProgressRecord,
    Record,
    ResultRecord,
    StartRecord,
    TroubleRecord,
    write_record,
)
from stages.formats.kinds import KINDS
from stages.shared import log
from stages.shared.contract import InputFile, input_file
from stages.shared.errors import (
    EXIT_BAD_NODE,
    EXIT_CHECKPOINTED,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_NEVER,
    Checkpointed,
    ConfigError,
    DataError,
    LeaseLost,
    NodeError,
    StagecoachError,
    strongest,
    system_error,
)
from stages.shared.files import flush_tree, read_json, replace_dir, write_atomic, write_json
from stages.shared.task import Kin, Ranks, Task

CODE = Path(__file__).resolve().parents[2].name
"""Digest of the code snapshot that runs."""
PROGRESS_EVERY_S = 2.0
SECOND_TERM_S = 3.0
LEADER_WAIT_S = 60.0
SPARE = 32_768
"""Bytes that an attempt holds on disk, so that its last records find room where the disk is full."""


class Interrupted(BaseException):
    """Raised inside a step that cannot resume when the scheduler asks the process to stop. Steps must not catch it."""


class StopFlag:
    """Remembers that the scheduler has asked this process to stop.

    A step that resumes polls it and saves its state. A step that does not resume is interrupted at once: its unfinished
    unit is lost either way. Only the step is interrupted, never the worker's own records. A second TERM some seconds
    after the first ends the process immediately.
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


@dataclass(frozen=True)
class Assigned:
    """A unit as the launcher's assignment describes it."""

    key: str
    folder: str
    identity: str
    place: int
    inputs: Mapping[str, Sequence[Mapping[str, str]]]
    fellows: Mapping[str, str]
    parts: Mapping[str, Sequence[str]]
    """By earlier step that is read as PARTS: the folders of this unit's parts."""
    needs: Sequence[tuple[str, str, str]]
    """(job, step folder, unit folder or `<unit folder>/<output>`) of everything that this unit alone waits for."""


class Worker:
    """Runs the units of one element."""

    def __init__(self, run: RunPaths, job: str, place: Element) -> None:
        self.run, self.place = run, place
        self.job: Mapping[str, Any] = read_assignment(run, job, place.key)
        self.common: Mapping[str, Any] = read_part(run, job, place.key, 0)
        self.step = StepPaths(Path(self.job["step_dir"]))
        units = [Assigned(**unit) for unit in read_part(run, job, place.key, place.element + 1)]
        self.keys = tuple(unit.key for unit in units)
        self.units = units[place.lane :: place.lanes]
        self.stop = StopFlag(resumes=self.job["can_resume"] or self.job["is_service"])
        self.best = -1
        self.held = ""
        """The unit whose lease this attempt has had last."""
        self._written = 0.0

    @property
    def leads(self) -> bool:
        """True on the one rank that writes records and marks."""
        return self.place.rank == 0

    @property
    def attempt(self) -> AttemptName:
        """This attempt's name in the ledger."""
        return AttemptName(self.job["job"], self.place.key, self.place.element, self.place.restart)

    def _record(self, record: Record) -> None:
        write_record(self.run.attempts, self.attempt, record, self.place.lane)

    def main(self) -> int:
        """Run all units and return the exit code, the strongest of what happened to any of them."""
        self.stop.install()
        if reason := self._must_not_start():
            log.error(f"{self.job['job']}: {reason}")
            return EXIT_NEVER
        if self.place.lanes > 1 and (gpus := os.environ.get("CUDA_VISIBLE_DEVICES")):
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus.split(",")[self.place.lane :: self.place.lanes])
        # Megatron warns every process at every start that Apex is missing; people look for other things in a log.
        warnings.filterwarnings("ignore", module=r"megatron\.")
        if self.leads and self.place.lane == 0:
            self._record(self._start_record())
            write_atomic(self.attempt.spare(self.run.attempts), bytes(SPARE))
        try:
            code, failed = self._run_units()
        except OSError as error:  # a record could not be written
            log.error(f"{self.job['job']}: {system_error(error)}")
            code, failed = EXIT_FAILED, {self.units[0].key: str(system_error(error))}
        if self.leads:
            self.attempt.spare(self.run.attempts).unlink(missing_ok=True)
            self._write_progress(force=True)
            self._record(ResultRecord(exit_code=code, failed=failed, signal=self.stop.signal))
        elif code == EXIT_CHECKPOINTED:
            self._wait_for_leader()
        return code

    def _must_not_start(self) -> str:
        """Return why this element must do nothing, "" if it may work: sbatch may hand over an array long after."""
        key, array = self.place.key, self.place.array
        if is_cancelled(self.run, key):
            return f"submission {key} was cancelled before this element started"
        if array and (holder := claim(self.run, key, array)) != array:
            return f"array {holder} works on submission {key} already; this one is a double"
        return ""

    def _run_units(self) -> tuple[int, dict[str, str]]:
        """Run the units that are not done, one after the other; return the code and the reason of each failure."""
        codes, failed = [EXIT_DONE], {}
        for position, unit in enumerate(self.units):
            if not self.stop.resumes:  # what survives an attempt of such a step is its finished units
                self.best = position
            if self.step.is_marked(unit.folder):
                continue
            if self.stop.is_set:
                codes.append(EXIT_CHECKPOINTED)
                break
            if self.leads:
                self._write_progress(force=True)
            code, reason = self._guarded(unit)
            codes.append(code)
            if reason:
                failed[unit.key] = reason
                self._note_trouble(code, reason)
            if code in (EXIT_CHECKPOINTED, EXIT_BAD_NODE):
                break
        return strongest(codes), failed

    def _guarded(self, unit: Assigned) -> tuple[int, str]:
        """Run one unit; a failure is reported in one line and does not take the element's other units with it."""
        try:
            self._run_unit(unit)
        except Checkpointed:
            log.info(f"{self._name(unit)}: state saved, to be continued")
            return EXIT_CHECKPOINTED, ""
        except Interrupted:
            log.info(f"{self._name(unit)}: interrupted, to be started again")
            return EXIT_CHECKPOINTED, ""
        except StagecoachError as error:
            log.error(f"{self._name(unit)}: {error}")
            return error.exit_code, str(error)
        except (Exception, SystemExit) as error:  # a library's exit() is no way for a unit to be done
            sentence = str(system_error(error)) if isinstance(error, OSError) else ""
            log.error(f"{self._name(unit)}: {sentence or type(error).__name__}", error)
            successor = self._successor(unit) if self.held == unit.folder else ""
            if successor:  # which cleared away what this attempt was writing to
                return EXIT_NEVER, successor
            return EXIT_FAILED, sentence or f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return EXIT_DONE, ""

    def _run_unit(self, unit: Assigned) -> None:
        self._check_inputs(unit)
        self._check_unchanged(unit)
        due = faults.planted(self.run, self.job["job"], unit.key, unit.place) if self.leads else []
        out, work = self.step.aside(unit.folder, self.place.token), self.step.work(unit.folder)
        if self.leads:
            shutil.rmtree(self.step.asides(unit.folder), ignore_errors=True)  # what earlier attempts left half-written
            out.mkdir(parents=True)
            work.mkdir(parents=True, exist_ok=True)
            write_json(self.step.lease(unit.folder), {"owner": self.place.token, "node": socket.gethostname()})
            self._withdraw(unit)
        self._check_node()
        ranks = self._ranks(unit)
        self.held = unit.folder
        faults.fire_due(self.run, [fault for fault in due if fault.progress == 0], 0)

        def progress(done: int) -> None:
            if self.stop.resumes:
                self.best = max(self.best, done)
            self._write_progress()
            faults.fire_due(self.run, due, done)

        started = time.time()
        task = replace(self._task(unit), out=out, work=work, ranks=ranks, progress=progress)
        module, _, function = self.job["run"].partition(":")
        try:
            with self.stop.over_a_step():
                summary = getattr(importlib.import_module(module), function)(task)
        except ConfigError as error:
            raise error.within(self.job["section"]) from error
        finally:
            self._withdraw(unit)
        if self.job["is_service"]:
            self._end_service(out)
        elif self.leads:
            self._commit(unit, out, summary, time.time() - started)

    def _check_node(self) -> None:
        """Raise NodeError if a training must not start on this node of a cluster: preflight.py."""
        is_asked = self.job["can_resume"] and self.place.array and self.place.local_rank == 0
        if is_asked and (found := next(problems(self.run.root, self.job["gpus_per_node"]), "")):
            raise NodeError(f"this node is bad: {found}")

    def _task(self, unit: Assigned) -> Task[Any]:
        """Return the task of a unit, without what only a started attempt has."""
        inputs = {**self.common["inputs"], **unit.inputs}
        whole = {step: tuple(map(StepPaths(root).unit, units)) for step, (root, units) in self._whole.items()}
        config = importlib.import_module(f"stages.{self.job['stage']}.config").Config
        return Task(
            config=config.model_validate(self.job["config"]),
            section=self.job["section"],
            step=self.job["step"],
            unit=unit.key,
            place=unit.place,
            inputs={field: tuple(map(_input_file, files)) for field, files in inputs.items()},
            fellows={step: Path(path) for step, path in unit.fellows.items()},
            steps={**whole, **{step: tuple(map(Path, folders)) for step, folders in unit.parts.items()}},
            out=Path(),
            work=Path(),
            shared=self.step.shared,
            run_dir=self.run.root,
            should_stop=lambda: self.stop.is_set,
            check_lease=lambda: self._check_lease(unit),
            publish=lambda path, name: self._publish(unit, path, name),
            kin=lambda: self._kin(unit),
            serve=lambda address: self._serve(unit, address),
        )

    @functools.cached_property
    def _whole(self) -> dict[str, tuple[Path, list[str]]]:
        """By step that is read whole: its folder, and its units in order."""
        found = {}
        for step, whole in self.job["steps"].items():
            root = Path(whole["step_dir"])
            found[step] = root, read_json(StepPaths(root).roll(whole["roll"]))
        return found

    def _commit(self, unit: Assigned, out: Path, summary: Any, seconds: float) -> None:
        """Make the unit's folder and its mark appear, in this order, if this attempt still owns it."""
        flush_tree(out)
        made = content(self.step, unit.folder, out)
        self._check_lease(unit)
        replace_dir(out, self.step.unit(unit.folder))
        with contextlib.suppress(OSError):  # a predecessor that still lives may have left something
            self.step.asides(unit.folder).rmdir()
        mark = {
            "job": self.job["job"],
            "fingerprint": self.job["fingerprint"],
            "unit": unit.key,
            "identity": unit.identity,
            "made_by": {"code": CODE, "attempt": self.place.token, "node": socket.gethostname()},
            "finished": time.time(),
            "seconds": round(seconds, 3),
            "summary": summary,
            **made,
        }
        write_json(self.step.mark(unit.folder), mark)
        shutil.rmtree(self.step.work(unit.folder), ignore_errors=True)
        log.info(f"{self._name(unit)}: done in {seconds:.1f} s")

    def _publish(self, unit: Assigned, path: Path, name: str) -> None:
        """Move a complete file or folder to its place as an output of a unit that still runs.

        An output that is published already stays: a resumed unit makes the same bytes again, and others may be reading.
        """
        self._check_lease(unit)
        place = self.step.published(unit.folder) / name
        if place.exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            return
        flush_tree(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)

    def _kin(self, unit: Assigned) -> list[Kin]:
        """Return the units of the same key that earlier settings or inputs made, the newest first, and this one."""
        found = [
            (step, folder)
            for step in map(StepPaths, self.step.root.parent.iterdir())
            for folder in step.started_units()
            if same_key(folder, unit.folder)
        ]
        found.sort(key=lambda pair: pair[0].last_start(pair[1]), reverse=True)
        return [Kin(out=step.unit(name), work=step.work(name), published=step.published(name)) for step, name in found]

    def _address(self, unit: Assigned) -> Path:
        return self.step.published(unit.folder) / KINDS.endpoint.file

    def _serve(self, unit: Assigned, address: str) -> None:
        self._check_lease(unit)
        write_json(self._address(unit), {"address": address})
        self.best = int(time.time())  # an attempt that served got on: it is no crash loop
        self._write_progress(force=True)

    def _withdraw(self, unit: Assigned) -> None:
        """Take a service's address away, that of an attempt that was killed too; never a successor's."""
        if self.job["is_service"] and self.leads and not self._successor(unit):
            self._address(unit).unlink(missing_ok=True)

    def _end_service(self, out: Path) -> None:
        """End a service that was stopped. It has no mark: the next reader starts it again. Raises Checkpointed."""
        shutil.rmtree(out, ignore_errors=True)
        if self.stop.is_set:
            raise Checkpointed
        raise StagecoachError("the service ended although nothing stopped it")

    def _check_inputs(self, unit: Assigned) -> None:
        """Look at the marks of what this unit needs: Slurm forgets purged ids and then starts a job too early.

        Files that this unit alone reads are looked at, too. What all units of the job need is looked at once for the
        element.
        """
        self._check_common()
        for job, root, name in unit.needs:
            step = StepPaths(Path(root))
            if not _is_there(step, name):
                raise InputsIncompleteError(f"inputs incomplete: {job} lacks {name}")
            if wrong := damage(step, name):
                raise InputsIncompleteError(f"inputs incomplete: of {job}, {name}: {wrong}")

    @functools.cache  # noqa: B019  (one worker lives as long as its process)
    def _check_common(self) -> None:
        for step, (root, units) in self._whole.items():
            _require_all(StepPaths(root), units, self.job["steps"][step]["job"])
        for need in self.common["needs"]:
            _require_all(StepPaths(Path(need["step_dir"])), need["units"], need["job"])

    def _check_unchanged(self, unit: Assigned) -> None:
        """Raise DataError if a file from outside the run is not as it was planned: the unit's identity says it is."""
        files = [file for some in (*self.common["inputs"].values(), *unit.inputs.values()) for file in some]
        digests = {file["where"]: file["digest"] for file in files if file["digest"]}
        if self.leads and (changed := changed_files(digests)):
            raise DataError(changed[0], "changed since this run was planned", "Call `run` again, which plans anew")

    def _check_lease(self, unit: Assigned) -> None:
        if successor := self._successor(unit):
            raise LeaseLost(successor)

    def _successor(self, unit: Assigned) -> str:
        """Return a sentence about the attempt that has taken over a unit; "" if it is still this attempt's."""
        lease = self.step.lease(unit.folder)
        owner = read_json(lease)["owner"] if lease.exists() else self.place.token
        if owner == self.place.token:
            return ""
        return f"attempt {owner} has taken over {self._name(unit)}; this one stops without writing"

    def _ranks(self, unit: Assigned) -> Ranks:
        if self.place.world_size == 1:
            return Ranks()
        file = self.step.work(unit.folder) / f"rendezvous.{self.place.token}.json"
        address, port, listen_fd = meet(file, self.leads)
        return Ranks(
            rank=self.place.rank,
            world_size=self.place.world_size,
            local_rank=self.place.local_rank,
            master_addr=address,
            master_port=port,
            listen_fd=listen_fd,
        )

    def _note_trouble(self, code: int, reason: str) -> None:
        """Record where and why the first rank failed: the others soon fail because of it, or are killed."""
        if self.place.world_size == 1:
            return
        trouble = TroubleRecord(exit_code=code, reason=f"rank {self.place.rank}: {reason}", node=self._node())
        path = self.attempt.path(self.run.attempts, TROUBLE)
        aside = path.with_name(f".{path.name}.{self.place.rank}")
        write_json(aside, asdict(trouble))
        with contextlib.suppress(OSError):  # another rank was first, or the file system has no hard links
            os.link(aside, path)
        aside.unlink()

    def _wait_for_leader(self) -> None:
        """Let rank 0 finish its records: srun ends all ranks when one ends with another code than 0."""
        deadline = time.monotonic() + LEADER_WAIT_S
        result = self.attempt.path(self.run.attempts, RESULT)
        while not result.exists() and time.monotonic() < deadline:
            time.sleep(0.1)

    @staticmethod
    def _node() -> str:
        return os.environ.get("SLURMD_NODENAME", socket.gethostname())

    def _write_progress(self, force: bool = False) -> None:
        now = time.monotonic()
        if self.leads and self.best >= 0 and (force or now - self._written > PROGRESS_EVERY_S):
            self._written = now
            self._record(ProgressRecord(progress=self.best))

    def _start_record(self) -> StartRecord:
        return StartRecord(
            fingerprint=self.job["fingerprint"],
            units=self.keys,
            slurm_id=f"{self.place.array}_{self.place.element}" if self.place.array else "",
            node=self._node(),
            nodes=os.environ.get("SLURM_JOB_NODELIST", socket.gethostname()),
            pid=os.getpid(),
            process=process_identity(os.getpid()),
            started=time.time(),
        )

    def _name(self, unit: Assigned) -> str:
        return f"{self.job['job']}/{unit.key}"


def _input_file(record: Mapping[str, str]) -> InputFile:
    """Return the file of an assignment's record."""
    file = input_file(record["where"], record["source"])
    kind, section, unit, about = (record[name] for name in ("kind", "section", "unit", "about"))
    return replace(file, kind=kind, section=section, unit=unit, about=about)


def _is_there(step: StepPaths, name: str) -> bool:
    """Return whether a unit is done, or an output of one (`<unit>/<output>`) is published."""
    unit, _, output = name.partition("/")
    is_done = step.is_marked(unit) and step.unit(unit).is_dir()
    return is_done or (bool(output) and (step.published(unit) / output).exists())


def _require_all(step: StepPaths, names: Sequence[str], job: str) -> None:
    """Raise InputsIncompleteError unless all units, or outputs of units, are there: in a listing, or by themselves."""
    done = step.done_units()
    if missing := {name for name in names if name not in done and not _is_there(step, name)}:
        some = ", ".join(sorted(missing)[:5])
        raise InputsIncompleteError(f"inputs incomplete: {job} lacks {some}{' ...' if len(missing) > 5 else ''}")


class InputsIncompleteError(StagecoachError):
    """What this job needs is not finished; `heal` finishes it and submits this job again."""


def main() -> None:
    """Run the element that the environment names."""
    run_dir, job, key = sys.argv[1:]
    try:
        code = Worker(RunPaths(Path(run_dir)), job, place_from_environment(key)).main()
    except DataError as error:
        log.error(f"worker: {error}")
        code = error.exit_code
    except OSError as error:  # a record of this attempt: there is no room for a word about it elsewhere
        log.error(f"worker: {system_error(error)}")
        code = EXIT_FAILED
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)  # not sys.exit: threads and process groups that a library left behind must not hold the node


if __name__ == "__main__":
    main()
