"""The contract between the launcher and a stage: what a stage declares on the login node.

A stage is a folder with a light `config.py`. Its `StageConfig` says, without reading the disk, which steps the stage
has, which units each step has, and which files come out. The launcher plans with that alone. On a compute node the
worker imports the step's `run` function and hands it a `Task` (stages/shared/task.py).

    recipe section -> StageConfig.plan(inputs) -> StagePlan(steps, outputs)        login node, pure
    Task -> run(task) -> summary                                                  compute node

A **unit** is the smallest thing that is done or not done: the extraction of one crawl file, one (checkpoint, task) of
an evaluation. Its identity is what changes its bytes: the settings that its step uses, the inputs that it reads, the
units of earlier steps that it reads, the declared code version.

Imports pydantic and the standard library only: this module is loaded on login nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from stages.shared.machine import Machine
from stages.shared.settings import Settings

PART = "/part-"
"""Stands between the key of a unit and the number of its part."""
FROM = "from:"
"""Prefix of an input that is another section's output: `documents: from:web`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file in which stages meet. All of them stand in `stages.formats.kinds.KINDS`."""

    name: str
    file: str = ""
    """File name in a unit's folder; empty where the name varies."""
    count: Callable[[Path], int] | None = None
    """Reads the number of things in a file, as Output.count has it, of a file from outside the run."""


@dataclass(frozen=True)
class Reads:
    """Marks a config field as an input and names the kind of output that it takes from another section.

    documents: Annotated[Inputs, Reads(KINDS.documents)]
    """

    kind: Kind
    crawl: bool = False
    """Crawl files: besides paths also URLs, lists of paths and names of Common Crawl dumps (jobs/plan/crawl.py)."""


@dataclass(frozen=True)
class ReadsRun:
    """Marks a config field that takes every output of certain kinds: `run` for the whole run, or section names.

    The files carry `section` and `kind`. What is not made yet may be missing when the step runs.
    """

    kinds: tuple[Kind, ...]


Inputs = str | list[str] | dict[str, str | list[str]]
"""`from:web`, a path or glob, a list of them, or a mapping from source name to any of these.

The launcher resolves it to a tuple of InputFile; the config itself keeps what the user wrote. `from:web` yields web's
outputs of the field's kind, in order of unit; a path or glob yields files in sorted order. A source name in a mapping
replaces the source names of what it stands for. Where one unit offers several outputs of the kind, such as a training
its checkpoints, each keeps its own name behind the mapping's: `mine/final`, `mine/best`.
"""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input file and the source (dump, corpus) it belongs to."""

    path: Path
    """Where it is; of a remote file its name alone, which cannot be opened."""
    source: str
    mb: float = 0.0
    """Size in MB, or an estimate of it; for `plan` only, 0 if unknown."""
    url: str = ""
    """URL (https:// or s3://) of a file that is not on this file system."""
    count: int = 0
    """As Output.count."""
    kind: str = ""
    """Name of its Kind, where another section makes it."""
    section: str = ""
    """The section that makes it; empty for a file from outside the run."""
    unit: str = ""
    """Key of the unit that makes it; empty for a file from outside the run."""
    unfit: tuple[tuple[str, str], ...] = ()
    """As Output.unfit."""
    about: str = ""
    """As Output.about."""

    @property
    def where(self) -> str:
        """Path or URL: `input_file` makes the same file of it."""
        return self.url or str(self.path)


def input_file(where: str, source: str, mb: float = 0.0) -> InputFile:
    """Return the file at a path or at a URL, which starts with a scheme."""
    scheme, mark, _ = where.partition("://")
    if mark and scheme.isalnum():
        return InputFile(Path(where.partition("?")[0].rpartition("/")[2]), source, mb, where)
    return InputFile(Path(where), source, mb)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """The smallest thing of a step that is done or not done."""

    key: str
    """Names the unit among those of its step, such as `CC-MAIN-2024-10/00017.warc`. Part of the unit's identity."""
    inputs: Mapping[str, tuple[InputFile, ...]] = field(default_factory=dict)
    """Files that this unit reads, by input field: the very objects that `plan` was given. A field of Step.reads that
    is not here is read whole by the unit."""
    core_seconds: float | None = None
    """Estimated core-seconds; None: the step's."""

    uses: tuple[str, ...] = ()
    """Settings that change this unit's bytes, besides Step.uses."""
    data: str = ""
    """Digest of the data files that ship with the step's code and that this unit reads, besides Step.data."""
    parts: int | None = 1
    """Number of its parts, if its step reads PARTS of an earlier one; None: the launcher chooses it by cost."""


WHOLE: tuple[Unit, ...] = (Unit(key="all"),)
"""The units of a step that is not divided."""


def unique_keys(names: Iterable[str]) -> list[str]:
    """Return unit keys for names: one that was there before gets `~2`, `~3` and so on, the first that is free.

    A name may be such a key of an earlier step. Further names change no earlier key.
    """
    seen: Counter[str] = Counter()
    keys: dict[str, None] = {}
    for name in names:
        key = name
        while key in keys:
            seen[name] += 1
            key = f"{name}~{seen[name] + 1}"
        keys[key] = None
    return [*keys]


def file_key(file: InputFile) -> str:
    """Return a key for the unit that reads a file: the key of the unit that makes it, else its source and name."""
    return file.unit or "/".join(filter(None, (file.source, file.path.name)))


def parts(count: int) -> tuple[Unit, ...]:
    """Return the units of a step whose work is divided into `count` parts: `0-of-2`, `1-of-2`."""
    return tuple(Unit(key=f"{part}-of-{count}") for part in range(count))


def parts_of(unit: Unit, count: int) -> tuple[Unit, ...]:
    """Return the units that share a unit's work: `mmlu/part-0-of-2`, `mmlu/part-1-of-2`. They read what it reads."""
    return tuple(replace(unit, key=f"{unit.key}{PART}{part}-of-{count}", parts=1) for part in range(count))


def whole_of(key: str) -> str:
    """Return the key of the unit that a part belongs to."""
    return key.rpartition(PART)[0]


def part_of(key: str) -> tuple[int, int]:
    """Return the number of a part, from 0, and the number of parts."""
    number, _, count = key.rpartition(PART)[2].partition("-of-")
    return int(number), int(count)


SAME: Literal["same"] = "same"
ALL: Literal["all"] = "all"
PARTS: Literal["parts"] = "parts"


@dataclass(frozen=True, slots=True)
class After:
    """An earlier step of the same stage that a step reads from, and which of its units."""

    step: str
    units: Literal["same", "all", "parts"] = ALL
    """SAME: each unit reads the unit of the same key. ALL: each unit reads all units, and runs again when one of them
    changes or is added. PARTS: each unit reads its parts. The earlier step declares no units: the launcher makes them
    by Unit.parts, and leaves the step out where no unit has several. A unit has the bytes that it has without parts,
    so that their number is no part of its identity: both steps have the same `uses`, `reads`, `version` and `data`.
    Parts of a unit that is done are not run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """A file that a unit offers to other sections."""

    step: str
    unit: str
    """Key of the unit."""
    kind: Kind
    source: str
    name: str = ""
    """File name in the unit's folder; empty: the kind's."""
    during: bool = False
    """Whether it appears while the unit still runs, by Task.publish. Others read it as soon as it is complete."""
    mb: float = 0.0
    """Estimated size in MB, for `plan`; 0 if it hardly matters."""
    count: int = 0
    """Number of things in it (a tokenizer's pieces), for `plan`; 0 if unknown."""
    unfit: tuple[tuple[str, str], ...] = ()
    """Names of kinds of file that cannot be made of it, each with the reason."""
    about: str = field(default="", compare=False)
    """JSON of what its maker's settings say of it, for readers that must agree with that; no part of an identity."""

    @property
    def file(self) -> str:
        """File name in the unit's folder."""
        return self.name or self.kind.file


@dataclass(frozen=True, kw_only=True)
class Step:
    """The same function over independent units: one or more job arrays."""

    name: str
    """Name within the stage; "" if the stage has only this step. The job is called `<section>.<name>`."""
    run: str
    """`package.module:function`, imported only on the compute node."""
    units: tuple[Unit, ...]
    uses: tuple[str, ...]
    """Config fields, or `section.setting` of one, that change this step's bytes: they, and nothing else of the config,
    enter the units' identities."""
    reads: tuple[str, ...] = ()
    """Input fields (marked Reads) that this step opens."""
    after: tuple[After, ...] = ()
    """Earlier steps of the same stage whose units this step opens."""
    ranks: int = 1
    """Processes that work on one unit together (the world size of a training)."""
    resumes: bool = False
    """Whether it polls should_stop() and continues from its `work` folder. Other steps start a unit from the start."""
    is_service: bool = False
    """Whether a unit runs until it is stopped: it is never done. Task.serve offers its address (KINDS.endpoint) as an
    output that appears during the unit; units that read it start then, and the service is stopped after them."""
    shape: str = "data"
    """Name of the cluster file's resources that applies: data, train, small, generate, serve or another one."""
    core_seconds: float = 1.0
    """Estimated core-seconds of one unit, for `plan`. An order of magnitude."""
    disk_mb: float = 1.0
    """Estimated output of one unit in MB, for `plan`."""
    mem_mb: float = 0.0
    """Estimated peak memory of one unit in MB, for `plan`; 0 if unknown."""
    version: int = 1
    """Declared code version: raise it when a code change changes the bytes."""
    data: str = ""
    """Digest of the data files that ship with the step's code, such as word lists: an edit needs no new version."""


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """The steps of a stage and the outputs that it offers."""

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Time and memory of a step on a machine, in the stage's own words: `plan` prints it unchanged."""

    headline: str
    rows: tuple[tuple[str, str], ...]
    """Label and text, a line each."""
    hours: float
    """Of one unit there: better than the step's core_seconds, which know no machine. StageConfig.costs knows better."""
    mem_mb: float
    """Memory of one unit there, on the hosts, over all ranks: better than the step's."""
    data: Mapping[str, Any]
    """The same as plain data, for `plan --json`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Estimated cost of a unit. Measured units of the same `kind` and `like`, of any run, correct the estimate."""

    core_seconds: float
    kind: str
    """Names what does the work, such as an engine on a type of GPU. Units of one kind correct each other roughly."""
    like: str
    """Names the work itself."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What a run did for one unit with earlier settings, for StageConfig.after and StageConfig.reused."""

    settings: Mapping[str, Any]
    """All of the section, as plain data."""
    progress: int
    """How far the unit was, in the numbers of Task.progress."""
    is_done: bool


class StageConfig(Settings):
    """Base of every stage's settings."""

    stage: ClassVar[str]
    """The stage's folder name under stages/."""
    tools: ClassVar[Mapping[str, str]] = {}
    """Verbs of the stage's own, such as `tune`, with `package.module:function` for each (jobs/tools.py)."""
    serves: ClassVar[bool] = False
    """Whether the section is a service. One that reads the whole run starts none: it would run until cancelled."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps and outputs, given the files behind each input field. Pure.

        Raises ConfigError if the settings cannot work with these inputs.
        """
        raise NotImplementedError

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return time and memory of a step on a machine; None if the step's own estimates are the best known.

        Reads headers of files from outside the run at most.

        `done` is how far the only unit of a step that resumes is already, in the numbers of Task.progress.

        Raises ConfigError if the machine cannot run it.
        """
        return None

    def costs(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, parts: Mapping[str, int]
    ) -> Mapping[str, Cost]:
        """Return the costs of a step's units on a machine, by key; those of others are as planned.

        `parts` has the number of parts of each unit that has several, by key. Reads headers of data at most. Costs are
        part of no identity: they divide units into parts and elements.
        """
        return {}

    @classmethod
    def input_fields(cls) -> dict[str, Reads | ReadsRun]:
        """Return the fields that take files, with the kinds of output that each takes."""
        marked = (
            (name, [mark for mark in field.metadata if isinstance(mark, (Reads, ReadsRun))])
            for name, field in cls.model_fields.items()
        )
        return {name: marks[0] for name, marks in marked if marks}

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Look into files from outside the run before anything is queued. Reads the disk, not more than headers.

        Raises ConfigError or DataError for a file that cannot be used.
        """

    def after(self, earlier: Sequence[Earlier]) -> dict[str, Any]:
        """Return settings that follow from what the run did before, as `section.setting`; none as a rule. Pure.

        For stages of one unit that go on where earlier settings ended. The latest is the last.
        """
        return {}

    def reused(self, earlier: Earlier) -> int:
        """Return how far a unit goes on from what it did with earlier settings; 0: it starts anew. Pure."""
        return 0


class Section(Settings):
    """Base of a group of settings nested in a StageConfig."""
