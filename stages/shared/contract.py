"""The contract between the launcher and a stage.

A stage is a folder with a light `config.py`: one `StageConfig` that says, without touching the disk, which steps the
stage has, how many shards each step has, and which files come out. The launcher plans with that alone. On a compute
node the worker imports the step's `run` function and hands it a `Task`.

    recipe section -> StageConfig.plan(inputs) -> StagePlan(steps, outputs)        login node, pure
    Task -> run(task) -> summary                                                  compute node

Imports pydantic and the standard library only: this module is loaded on login nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from stages.shared.machine import Machine

FROM = "from:"
"""Prefix of an input that is another job's output: `documents: from:web`."""


@dataclass(frozen=True)
class Reads:
    """Marks a config field as an input and names the kind of output it takes from another job.

    documents: Annotated[Inputs, Reads("documents")]
    """

    kind: str
    crawl: bool = False
    """Crawl files: besides paths also URLs, lists of paths and names of Common Crawl dumps (jobs/plan/crawl.py)."""


Inputs = str | list[str] | dict[str, str | list[str]]
"""`from:web`, a path or glob, a list of them, or a mapping from source name to any of these.

The launcher resolves it to a tuple of InputFile; the config itself keeps what the user wrote. `from:web` yields web's
outputs of the field's kind, in order of shard; a path or glob yields files in sorted order.
"""


@dataclass(frozen=True)
class InputFile:
    """One input file and the source (dump, corpus) it belongs to."""

    path: Path
    """Where it is; of a remote file its name alone, which cannot be opened."""
    source: str
    mb: float = 0.0
    """Size in MB, or an estimate of it; for `plan` only, 0 if nobody can say."""
    url: str = ""
    """Address (https:// or s3://) of a file that is not on this file system."""
    count: int = 0
    """As Output.count."""

    @property
    def where(self) -> str:
        """Path or address: what `input_file` makes the same file of again."""
        return self.url or str(self.path)


def input_file(where: str, source: str, mb: float = 0.0) -> InputFile:
    """Return the file at a path or at an address, which is told by the scheme that it starts with."""
    scheme, mark, _ = where.partition("://")
    if mark and scheme.isalnum():
        return InputFile(Path(where.partition("?")[0].rpartition("/")[2]), source, mb, where)
    return InputFile(Path(where), source, mb)


@dataclass(frozen=True)
class Output:
    """A file that a finished stage offers to others: `<step folder>/shards/<shard>/<name>`."""

    step: str
    shard: int
    name: str
    kind: str
    source: str
    mb: float = 0.0
    """Estimated size in MB, for `plan`; 0 if it hardly matters."""
    count: int = 0
    """What it holds many of (a tokenizer's pieces), for `plan`; 0 if nobody can say."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One job array: the same function over `shards` independent shards."""

    name: str
    """Name within the stage; "" if the stage has only this step. The job is called `<section>.<name>`."""
    run: str
    """`package.module:function`, imported only on the compute node."""
    shards: int
    uses: tuple[str, ...]
    """Config fields, or `section.setting` of one, that change this step's bytes: they, and nothing else of the config,
    enter its identity."""
    reads: tuple[str, ...] = ()
    """Input fields (those marked Reads) that this step opens."""
    after: tuple[str, ...] = ()
    """Names of earlier steps of the same stage whose folders it opens."""
    ranks: int = 1
    """Processes that work on one shard together (the world size of a training job)."""
    resumes: bool = False
    """Whether it polls should_stop() and continues from its `work` folder. Others start a shard from its beginning."""
    shape: Literal["data", "train", "small"] = "data"
    """Which of the cluster file's resource defaults applies."""
    core_seconds: float = 1.0
    """Estimated core-seconds of one shard, for `plan`. An order of magnitude."""
    disk_mb: float = 1.0
    """Estimated output of one shard in MB, for `plan`."""
    mem_mb: float = 0.0
    """Estimated peak memory of one shard in MB, for `plan`; 0 if nobody has measured it."""
    version: int = 1
    """Declared code version: raise it when a code change changes the bytes."""
    data: str = ""
    """Digest of the data files that ship with the step's code, such as word lists: an edit needs no new version."""


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """What a stage will do and what will come out."""

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a step would take on a machine, in the stage's own words: `plan` prints it as it is."""

    headline: str
    rows: tuple[tuple[str, str], ...]
    """Label and text, a line each."""
    hours: float
    """Of one shard there: better than the step's core_seconds, which know no machine."""
    mem_mb: float
    """Memory of one shard there, on the hosts, over all ranks: better than the step's."""
    data: Mapping[str, Any]
    """The same as plain data, for `plan --json`."""


class StageConfig(BaseModel):
    """Base of every stage's settings: closed, typed, frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: ClassVar[str]
    """The stage's folder name under stages/."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps and outputs, given the files behind each input field. Pure.

        Raises ConfigError if the settings cannot work with these inputs.
        """
        raise NotImplementedError

    def forecast(self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine) -> Forecast | None:
        """Return what a step would take on a machine; None, if there is no more to say than its estimates. Pure.

        Raises ConfigError if the machine cannot do it.
        """
        return None


class Section(BaseModel):
    """Base of a group of settings nested in a StageConfig."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def shard_name(shard: int) -> str:
    """Return a shard's folder name, zero-padded so that listings sort."""
    return f"{shard:05d}"


def shard_dir(step_dir: Path, shard: int) -> Path:
    """Return the folder that holds a finished shard's files."""
    return step_dir / f"shards/{shard_name(shard)}"  # one join: a plan of a dump makes hundreds of thousands


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process's place among the processes that work on one shard."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    master_addr: str = "127.0.0.1"
    master_port: int = 0
    listen_fd: int | None = None
    """On rank 0: a socket that listens on master_port already, so that nobody else can take the port meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything a step's `run(task)` may use. It returns a small JSON-able summary (counts), kept in the mark.

    `out` is an empty folder made for this attempt; when `run` returns it becomes the shard's folder in one rename, and
    then the completion mark is written. A step that can stop midway keeps its state in `work`, which survives attempts,
    polls `should_stop()` and raises Checkpointed after saving. With several ranks all see the same paths, only rank 0
    may write to `out`, unless the step arranges otherwise, and all must return.
    """

    config: Any
    """The stage's own StageConfig, validated."""
    step: str
    shard: int
    num_shards: int
    inputs: Mapping[str, tuple[InputFile, ...]]
    """Absolute paths by input field, for the fields in Step.reads."""
    steps: Mapping[str, Path]
    """Folders of the earlier steps named in Step.after; see shard_dir."""
    out: Path
    work: Path
    run_dir: Path
    ranks: Ranks = field(default_factory=Ranks)
    should_stop: Callable[[], bool] = lambda: False
    """True once the scheduler has asked this process to stop (USR2 or TERM). Ranks may learn it at different times."""
    progress: Callable[[int], None] = lambda done: None
    """Say how far this shard is, in any unit that only grows over attempts (steps, records). Cheap; call it often."""
    check_lease: Callable[[], None] = lambda: None
    """Raise LeaseLost if a successor owns this shard. Call it right before a checkpoint is committed."""
