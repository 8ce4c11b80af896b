"""A run on disk: made from a recipe, opened again by name. The verbs work on it.

The run's record keeps the recipe, the cluster and the resolved input files with their identities. Looking at a run
later needs neither the recipe file nor another pass over the input.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster
from jobs.plan.crawl import OnGuess
from jobs.plan.graph import Expand, External, Graph, build_graph
from jobs.plan.inputs import external_files
from jobs.plan.recipe import Recipe, make_recipe
from jobs.plan.validation import validated
from jobs.submit.ledger import Ledger, Submission, process_identity, read_cancels
from jobs.submit.reconcile import Snapshot, States, latest_submissions, unit_states
from jobs.submit.slurm import queue
from stages.formats.attempts import Attempt
from stages.shared.contract import Reads, input_file
from stages.shared.errors import ConfigError, StagecoachError, nearest
from stages.shared.files import read_json, write_json

FORMAT = 2
"""Of run.json, the ledger and the folders of steps. 2: units with their own identity; 1: shards of a step."""


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

    @cached_property
    def ledger(self) -> Ledger:
        """The run's ledger."""
        return Ledger(self.paths)

    def save(self) -> None:
        """Write the run's record; from then on the run can be opened by name."""
        write_json(self.paths.run_json, self.record)

    def look(self, reach: bool = True) -> tuple[Snapshot, States]:
        """Return a snapshot and every unit's state; without `reach`, as if the cluster's queue were empty.

        Reads in the order in which a job moves, so that none falls between: submitted, queued, attempted, done.
        Attempts are read only of elements with a unit that was not done before.
        """
        submissions = self.ledger.submissions()
        rows = queue() if reach and self.cluster.kind == "slurm" else []
        attempts = self._attempts_of_unfinished(submissions)
        seen = Snapshot(
            done=self.done(),
            submissions=submissions,
            attempts=attempts,
            queue=rows,
            cancelled=read_cancels(self.paths),
            alive=is_alive if self.cluster.kind == "local" else lambda attempt: False,
            launcher_elsewhere=self.cluster.kind == "local" and self._launcher_elsewhere(),
        )
        return seen, unit_states(self.graph, seen)

    def done(self) -> dict[str, frozenset[str]]:
        """Return by job the folders of finished units and the outputs (`<unit>/<name>`) of running ones."""
        steps = {name: self.paths.step(name, job.fingerprint) for name, job in self.graph.jobs.items()}
        return {name: step.done_units() | step.published_outputs() for name, step in steps.items()}

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
        """Hold the run against a second launcher submitting the same jobs. Raises StagecoachError if it is held."""
        self.paths.root.mkdir(parents=True, exist_ok=True)
        with self.paths.lock.open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                # A file system may have no locks (Lustre, unless mounted with -o flock): then the record must do.
                if isinstance(error, BlockingIOError) or self._launcher_elsewhere():
                    raise StagecoachError(
                        f"another launcher is at work on {self.name!r}: wait, or look with `launch.py status`"
                    ) from None
            file.truncate(0)
            file.write(process_identity(os.getpid()))
            file.flush()
            yield

    def _launcher_elsewhere(self) -> bool:
        """Return whether the process that wrote the lock lives and is not this one."""
        text = self.paths.lock.read_text(encoding="utf-8") if self.paths.lock.exists() else ""
        pid = text.rpartition(":")[0].rpartition(":")[2] or text
        return pid.isdigit() and int(pid) != os.getpid() and process_identity(int(pid)) == text


def is_alive(attempt: Attempt) -> bool:
    """Return whether an attempt's process, on this machine, still runs."""
    start = attempt.start
    return start is not None and process_identity(start.pid) == start.process != ""


def run_roots(asked: str | None, clusters: Sequence[Cluster]) -> list[Path]:
    """Return the folders in which runs may lie, the one for new runs first.

    That is `asked` (--runs) alone, or $STAGECOACH_RUNS alone; else the clusters' own folders, then ./runs.
    """
    folder = asked or os.environ.get("STAGECOACH_RUNS")
    own = [cluster.runs for cluster in clusters if cluster.runs is not None]
    return [Path(root).expanduser().absolute() for root in ([folder] if folder else [*own, "runs"])]


def plan_run(recipe: Recipe, cluster: Cluster, root: Path, name: str | None, on_guess: OnGuess | None = None) -> Run:
    """Return the run that `recipe` on `cluster` would be; writes nothing.

    With `on_guess`, lists of crawl files that cannot be fetched are guessed: such a run can be shown, not submitted.
    Without it, such a list is an error. Raises ConfigError, DataError; also if a run of that name has another format.
    """
    name = name or (recipe.name if cluster.kind == "local" else f"{recipe.name}-{cluster.name}")
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise ConfigError("--name", name, "a folder name")
    paths = RunPaths(root / name)
    if paths.run_json.is_file():
        _require_format(paths, read_json(paths.run_json))
    files: dict[str, list[Any]] = {}

    def expand(value: Any, setting: str, reads: Reads) -> Sequence[External]:
        found = external_files(value, setting, cluster.crawl if reads.crawl else None, on_guess)
        rows = [[each.file.where, each.file.source, each.file.mb, each.identity] for each in found]
        files.setdefault(setting, []).append([value, rows])
        return found

    graph = _built(recipe, cluster, paths, expand)
    record = {
        "format": FORMAT,
        "name": name,
        "created": time.time(),
        "recipe": recipe.values,
        "cluster": cluster.model_dump(mode="json"),
        "files": files,
    }
    return Run(paths, recipe, cluster, graph, record)


def open_run(roots: Sequence[Path], name: str) -> Run:
    """Return a run that was started before, by name or by path.

    Raises ConfigError, with the nearest name, if there is none in any of `roots`.
    """
    folders = [Path(name).absolute()] if "/" in name else [root / name for root in roots]
    paths = next((RunPaths(folder) for folder in folders if RunPaths(folder).run_json.is_file()), None)
    if paths is None:
        known = sorted(path.parent.name for root in roots for path in root.glob("*/run.json"))
        where = ", ".join(map(str, roots))
        raise ConfigError("run", name, f"a run in {where}; {nearest(name, known) if known else 'there is none yet'}")
    record = read_json(paths.run_json)
    _require_format(paths, record)
    recipe = make_recipe(record["recipe"])
    cluster = validated(Cluster, record["cluster"], str(paths.run_json))

    def expand(value: Any, setting: str, reads: Reads) -> Sequence[External]:
        rows = next(rows for known, rows in record["files"][setting] if known == value)
        return [External(input_file(where, source, mb), identity) for where, source, mb, identity in rows]

    return Run(paths, recipe, cluster, _built(recipe, cluster, paths, expand), record)


def _built(recipe: Recipe, cluster: Cluster, paths: RunPaths, expand: Expand) -> Graph:
    """Return the graph, kept out of the garbage collector's sight.

    A run of 100,000 units is a million objects without a cycle. Walking through them again and again would be a third
    of the time of `status`.
    """
    gc.disable()
    try:
        return build_graph(recipe, cluster, paths, expand)
    finally:
        gc.freeze()
        gc.enable()


def _require_format(paths: RunPaths, record: dict[str, Any]) -> None:
    if (found := record.get("format", 1)) != FORMAT:
        raise ConfigError(
            f"{paths.run_json}: format",
            found,
            f"{FORMAT}: another version of Stagecoach made this run. Use that version, or start anew with --name",
        )
