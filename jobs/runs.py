"""A run on disk: made from a recipe, opened again by name. The verbs work on it.

The run's record keeps the recipe, the cluster and the resolved input files with their identities. Looking at a run
later needs neither the recipe file nor another pass over the input.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from jobs.commands import command
from jobs.endings import explain
from jobs.history import with_history
from jobs.marks import Outputs
from jobs.paths import RunPaths, StepPaths
from jobs.plan.cluster import Cluster, known_clusters
from jobs.plan.costs import chosen_parts
from jobs.plan.crawl import OnGuess
from jobs.plan.graph import Cut, Expand, External, Graph, Job, build_graph
from jobs.plan.identity import NAMED, changed_files
from jobs.plan.inputs import external_files
from jobs.plan.recipe import Recipe, make_recipe
from jobs.plan.validation import at_home
from jobs.record import (
    REMEDY,
    cluster_of,
    make_record,
    new_id,
    owner_of,
    read_record,
    recipe_of,
    require_own,
    user_name,
)
from jobs.submit.adjustments import adjusted, read_adjustments
from jobs.submit.ledger import Ledger, Submission, process_identity, read_cancels
from jobs.submit.reconcile import Snapshot, States, latest_submissions, unit_states
from jobs.submit.slurm import QueueRow, queue
from jobs.submit.strikes import without_bad_nodes
from stages.formats.attempts import Attempt
from stages.shared.contract import Kind, Reads, input_file
from stages.shared.errors import ConfigError, DataError, StagecoachError, nearest
from stages.shared.files import write_json

MAX_NAME_BYTES = 200
"""Of a run's name: a folder's name, to which a suffix may be added."""


@dataclass(frozen=True)
class Run:
    """A run: its folder, its recipe, its cluster, its jobs."""

    paths: RunPaths
    recipe: Recipe
    cluster: Cluster
    graph: Graph
    record: dict[str, Any]

    @property
    def name(self) -> str:
        """The run's name, which is its folder's."""
        return self.paths.root.name

    @property
    def id(self) -> str:
        """Names the run in the comments of its Slurm jobs; made once, kept for its whole life."""
        return str(self.record["id"])

    @cached_property
    def outputs(self) -> Outputs:
        """What this process knows of the files of done units."""
        return Outputs()

    @cached_property
    def ledger(self) -> Ledger:
        """The run's ledger."""
        return Ledger(self.paths)

    @cached_property
    def address(self) -> str:
        """What a command of this user takes to find the run: its name where the name alone does, else its folder."""
        roots = run_roots(None, known_clusters())
        first = next((root / self.name for root in roots if (root / self.name / "run.json").is_file()), None)
        return self.name if first == self.paths.root else str(self.paths.root)

    def command_with(self, overrides: Sequence[str] = ()) -> str:
        """Return the `run` command that made the run, with further `--set`, for a shell in the working directory."""
        words = self.record.get("command") or ["run", str(self.record.get("recipe", {}).get("name", "RECIPE"))]
        there = self.record.get("folder", "")
        go = f"cd {shlex.quote(there)} && " if there and there != str(Path.cwd()) else ""
        return go + command(*map(str, words), *(word for each in overrides for word in ("--set", each)))

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digest of each file from outside the run, as it was planned, if its content is its identity."""
        rows = (row for lists in self.record.get("files", {}).values() for _, found in lists for row in found)
        return {where: identity[2] for where, _, _, identity in rows if len(identity) == len(NAMED)}

    def require_same_inputs(self, states: States) -> None:
        """Raise StagecoachError if files that unfinished units read are not as they were when the run was planned."""
        jobs = [job for name, job in self.graph.jobs.items() if any(s.state != "done" for s in states[name].values())]
        read = {file.where for job in jobs for files in job.inputs.values() for file in files}
        if changed := changed_files({where: self.digests[where] for where in read & self.digests.keys()}):
            raise StagecoachError(
                f"{changed[0]}{' and others' * (len(changed) > 1)}: changed since this run was planned. "
                f"Plan it again: `{self.command_with()}`"
            )

    @property
    def owner(self) -> int:
        """User id of the run's owner."""
        return owner_of(self.paths, self.record)

    def require_own(self) -> None:
        """Raise StagecoachError if this user may only look at the run."""
        require_own(self.paths, self.cluster, self.owner)

    def save(self) -> None:
        """Write the run's record; from then on the run can be opened by name."""
        write_json(self.paths.run_json, self.record)

    def look(self, reach: bool = True, files: Literal["some", "all", "digests"] = "some") -> tuple[Snapshot, States]:
        """Return a snapshot and every unit's state; without `reach`, as if the cluster's queue were empty.

        Reads in the order in which a job moves, so that none falls between: submitted, queued, attempted, done.
        Attempts are read only of elements with a unit that was not done before. `files` says how closely the output of
        done units is looked at: in `some` cases only where there are few, see jobs/marks.py.
        """
        submissions = self.ledger.submissions()
        rows = self._queue(submissions) if reach and self.cluster.kind == "slurm" else []
        attempts = self._attempts_of_unfinished(submissions)
        done = self.done()
        damaged = {
            name: self.outputs.damaged(self._step(name), thorough=files != "some", digests=files == "digests")
            for name in self.graph.jobs
        }
        is_local, elsewhere = self.cluster.kind == "local", self._launcher_elsewhere()
        seen = Snapshot(
            done={name: found - damaged[name].keys() for name, found in done.items()},
            submissions=submissions,
            attempts=attempts,
            queue=rows,
            damaged=damaged,
            cancelled=read_cancels(self.paths),
            alive=is_alive if is_local else lambda attempt: False,
            launcher_elsewhere=is_local and elsewhere,
            is_submitting=not is_local and elsewhere,
        )
        states = unit_states(self.graph, seen)
        return seen, explain(states, attempts, self.graph, self.paths, self.cluster.signal_lead_s)

    def _users(self) -> list[str]:
        """Return the users whose jobs may be this run's: its owner, in group mode all that submitted for it."""
        submitters = {path.stat().st_uid for path in self.paths.submissions.glob("*/*.json") if self.cluster.shared}
        return [user_name(uid) for uid in sorted({self.owner, *submitters})]

    def _queue(self, submissions: Sequence[Submission]) -> list[QueueRow]:
        """Return the rows of this run: those with its id, and those of its ledger should run.json have been lost."""
        keys = {entry.key for entry in submissions}
        return [row for row in queue(self._users()) if row.run == self.id or row.key in keys]

    def made(self, kind: Kind) -> Path | None:
        """Return where the run's first output of a kind is, or will be; None if its recipe makes none."""
        offered = ((section, output) for section, outputs in self.graph.outputs.items() for output in outputs)
        section, output = next(((section, output) for section, output in offered if output.kind == kind), ("", None))
        if output is None:
            return None
        job = self.graph.jobs[f"{section}.{output.step}" if output.step else section]
        unit = next(unit for unit in job.units.values() if unit.key == output.unit)
        return self._step(job.name).unit(unit.folder) / output.file

    def _step(self, name: str) -> StepPaths:
        return self.paths.step(name, self.graph.jobs[name].fingerprint)

    def done(self) -> dict[str, frozenset[str]]:
        """Return by job the units with a mark, by folder, and the outputs (`<unit>/<name>`) of running ones."""
        steps = {name: self._step(name) for name in self.graph.jobs}
        return {name: step.marked_units() | step.published_outputs() for name, step in steps.items()}

    def _attempts_of_unfinished(self, submissions: Sequence[Submission]) -> list[Attempt]:
        done = self.done()
        latest = latest_submissions(self.graph, submissions)
        unfinished = {
            name: self.graph.jobs[name].units.keys() & units.keys() - done[name] for name, units in latest.items()
        }
        elements = {
            (latest[name][unit][0].key, latest[name][unit][1]) for name, units in unfinished.items() for unit in units
        }
        jobs = [name for name, units in unfinished.items() if units]
        return self.ledger.attempts(jobs, lambda key, element: (key, element) in elements)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run against a second launcher submitting the same jobs.

        Raises StagecoachError if it is held, or if this user may only look at it.
        """
        self.paths.root.mkdir(parents=True, exist_ok=True)
        self.require_own()
        # A link in the place of the lock would let its author choose which of our files is emptied below.
        descriptor = os.open(self.paths.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if not stat.S_ISREG((status := os.fstat(descriptor)).st_mode) or status.st_nlink > 1:
                raise DataError(self.paths.lock, "not a lock of the launcher", "Remove it")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                # A file system may have no locks (Lustre, unless mounted with -o flock): then the record must do.
                if isinstance(error, BlockingIOError) or self._launcher_elsewhere():
                    raise StagecoachError(
                        f"another launcher is at work on {self.name!r}: wait, or look with "
                        f"`{command('status', self.address)}`"
                    ) from None
            file.truncate(0)
            file.write(process_identity(os.getpid()))
            file.flush()
            yield

    def _launcher_elsewhere(self) -> bool:
        """Return whether the process that wrote the lock lives and is not this one."""
        text = self.paths.lock.read_text(encoding="utf-8", errors="replace") if self.paths.lock.is_file() else ""
        pid = text.rpartition(":")[0].rpartition(":")[2] or text
        return pid.isdigit() and int(pid) != os.getpid() and process_identity(int(pid)) == text


def is_alive(attempt: Attempt) -> bool:
    """Return whether an attempt's process, on this machine, still runs."""
    start = attempt.start
    return start is not None and process_identity(start.pid) == start.process != ""


def run_roots(asked: str | None, clusters: Sequence[Cluster]) -> list[Path]:
    """Return the folders in which runs may lie, the one for new runs first.

    That is `asked` (--runs) alone, or $STAGECOACH_RUNS alone; else the clusters' own folders, then ./runs.
    Raises ConfigError for a ~ without a home, and for an empty --runs.
    """
    if asked == "":
        raise ConfigError("--runs", asked, "a folder (for example ./runs)")
    folder = asked or os.environ.get("STAGECOACH_RUNS")
    own = [cluster.runs for cluster in clusters if cluster.runs is not None]
    setting = "--runs" if asked else "STAGECOACH_RUNS" if folder else "runs"
    return [at_home(root, setting).absolute() for root in ([folder] if folder else [*own, "runs"])]


def plan_run(
    recipe: Recipe,
    cluster: Cluster,
    root: Path,
    name: str | None,
    on_guess: OnGuess | None = None,
    words: Sequence[str] = (),
) -> Run:
    """Return the run that `recipe` on `cluster` would be; writes nothing. `words`, of its `run` command, are kept.

    With `on_guess`, lists of crawl files that cannot be fetched are guessed: such a run can be shown, not submitted.
    Without it, such a list is an error. Raises ConfigError, DataError; also if a run of that name has another format.
    """
    setting = "--name" if name is not None else "name"
    name = recipe.name if name is None else name
    if not name or name in (".", "..") or "/" in name or "\0" in name or len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise ConfigError(setting, name, f"a folder name of at most {MAX_NAME_BYTES} bytes")
    if setting == "name" and cluster.kind != "local":
        name = f"{name}-{cluster.name}"
    paths, before = RunPaths(root / name), {}
    if paths.run_json.is_file():
        with contextlib.suppress(DataError):  # a damaged record is written anew
            before = read_record(paths)
        recipe = with_history(recipe, paths)
    files: dict[str, list[Any]] = {}

    def expand(value: Any, setting: str, reads: Reads) -> Sequence[External]:
        found = external_files(value, setting, cluster.crawl if reads.crawl else None, on_guess)
        rows = [[each.file.where, each.file.source, each.file.mb, each.identity] for each in found]
        files.setdefault(setting, []).append([value, rows])
        return [_counted(each, setting, reads) for each in found]

    parts = _parts_of_record(before)

    def cut(job: Job) -> Mapping[str, int]:
        known = parts.get(job.name, {})
        parts[job.name] = {**known, **(chosen := chosen_parts(job, cluster, known))}
        return chosen

    graph = _built(recipe, cluster, paths, expand, cut)
    for job in graph.jobs.values():
        try:
            job.config.inspect(job.inputs)
        except ConfigError as error:
            raise error.within(job.section) from None
    record = make_record(before.get("id") or new_id(), name, recipe, cluster, files, words)
    return Run(paths, recipe, cluster, graph, {**record, "parts": parts})


def _parts_of_record(record: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the number of parts of units that the launcher has chosen, by job and folder."""
    return {job: dict(units) for job, units in record.get("parts", {}).items()}


def _counted(found: External, setting: str, reads: Reads) -> External:
    """Return a file from outside with the number of things in it. Raises ConfigError if it is not of its kind."""
    if reads.kind.count is None:
        return found
    try:
        count = reads.kind.count(found.file.path)
    except DataError as error:
        wanted = f"a file of kind {reads.kind.name}. {error}"
        raise ConfigError(setting, str(found.file.path), wanted) from None
    return External(replace(found.file, count=count), found.identity)


def open_run(roots: Sequence[Path], name: str) -> Run:
    """Return a run that was started before, by name or by path.

    Raises ConfigError, with the nearest name, if there is none in any of `roots`; DataError for a damaged record.
    """
    folders = [Path(name).absolute()] if "/" in name else [root / name for root in roots]
    paths = next((RunPaths(folder) for folder in folders if RunPaths(folder).run_json.is_file()), None)
    if paths is None:
        known = sorted(path.parent.name for root in roots for path in root.glob("*/run.json"))
        where = ", ".join(map(str, roots))
        raise ConfigError("run", name, f"a run in {where}; {nearest(name, known) if known else 'there is none yet'}")
    record = read_record(paths)
    return _recorded(paths, record, recipe_of(paths, record), cluster_of(paths, record))


def _recorded(paths: RunPaths, record: dict[str, Any], recipe: Recipe, cluster: Cluster) -> Run:
    """Return a run with the files and parts of its record. Raises DataError for a record that lacks files."""

    def expand(value: Any, setting: str, reads: Reads) -> Sequence[External]:
        rows = rows_of(value, setting)
        return [External(input_file(where, source, mb), identity) for where, source, mb, identity in rows]

    def rows_of(value: Any, setting: str) -> Any:
        try:
            return next(rows for known, rows in record["files"][setting] if known == value)
        except (KeyError, StopIteration) as error:
            raise DataError(paths.run_json, f"the files of {setting} are damaged", REMEDY) from error

    parts = _parts_of_record(record)
    graph = _built(recipe, cluster, paths, expand, lambda job: parts.get(job.name, {}))
    return Run(paths, recipe, cluster, graph, record)


def with_section(run: Run, name: str, body: Mapping[str, Any], like: str) -> Run:
    """Return a run with one more section, which alone is its target; writes nothing.

    The section may read what section `like` reads from outside the run. Raises ConfigError for a body that is none.
    """
    recipe = make_recipe({**run.recipe.values, name: body, "targets": [name]})
    files: dict[str, Any] = run.record.get("files", {})
    known = {setting: rows for setting, rows in files.items() if setting.startswith(f"{like}.")}
    known = {f"{name}.{setting.removeprefix(f'{like}.')}": rows for setting, rows in known.items()}
    return _recorded(run.paths, {**run.record, "files": {**files, **known}}, recipe, run.cluster)


def _built(recipe: Recipe, cluster: Cluster, paths: RunPaths, expand: Expand, cut: Cut) -> Graph:
    """Return the graph, kept out of the garbage collector's sight.

    A run of 100,000 units is a million objects without a cycle. Walking through them again and again would be a third
    of the time of `status`.
    """
    gc.disable()
    try:
        graph = adjusted(build_graph(recipe, cluster, paths, expand, cut), read_adjustments(paths))
        return without_bad_nodes(graph, paths, cluster)
    finally:
        gc.freeze()
        gc.enable()
