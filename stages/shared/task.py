"""The contract between the launcher and a stage: what a step's `run(task)` is given on the compute node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from stages.shared.contract import InputFile, StageConfig

Config = TypeVar("Config", bound=StageConfig, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process's place among the processes that work on one unit."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    master_addr: str = "127.0.0.1"
    master_port: int = 0
    listen_fd: int | None = None
    """On rank 0: a socket that listens on master_port already, so that no other process can take the port."""


@dataclass(frozen=True, kw_only=True)
class Kin:
    """A unit of the same step and key, with other settings or inputs or this very one. A folder may be missing."""

    out: Path
    """Its files, once it is done."""
    work: Path
    published: Path


def _no_kin() -> Sequence[Kin]:
    return ()


def _ignore(*ignored: object) -> None:
    """Do nothing: the launcher's part of a Task, where there is no launcher."""


@dataclass(frozen=True, kw_only=True)
class Task(Generic[Config]):
    """Everything that a step's `run(task)` may use. `run` returns a small JSON-able summary (counts) for the mark.

    `out` is an empty folder made for this attempt. When `run` returns, one rename makes it the unit's folder and then
    the completion mark is written. A step that can stop midway keeps its state in `work`, which survives attempts,
    polls `should_stop()` and raises Checkpointed after saving. With several ranks all see the same paths. Only rank 0
    may write to `out`, unless the step arranges otherwise, and all ranks must return.
    """

    config: Config
    """The stage's own StageConfig, validated."""
    section: str = ""
    """The recipe's name of the section."""
    step: str
    unit: str
    """The unit's key."""
    place: int = 0
    """Number of units of the step that come before this one; units of one key have one place in every step."""
    inputs: Mapping[str, tuple[InputFile, ...]]
    """Absolute paths by input field, for the fields in Step.reads: the unit's own files, else all files."""
    fellows: Mapping[str, Path] = field(default_factory=dict)
    """By earlier step read as SAME: the folder of the unit with the same key."""
    steps: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """By earlier step read as ALL: the folders of all its units, in order; as PARTS: those of this unit's parts."""
    out: Path
    work: Path
    shared: Path
    """Folder of all units of the step with these settings, to share intermediate results in: units run at the same
    time, on several nodes. It may be missing."""
    run_dir: Path
    ranks: Ranks = field(default_factory=Ranks)
    should_stop: Callable[[], bool] = lambda: False
    """True once the scheduler has asked this process to stop (USR2 or TERM). Ranks may learn it at different times."""
    progress: Callable[[int], None] = _ignore
    """Reports how far this unit is, in any number that only grows over attempts (steps, records). Cheap."""
    check_lease: Callable[[], None] = _ignore
    """Raises LeaseLost if a successor owns this unit. Call it right before a checkpoint is committed."""
    publish: Callable[[Path, str], None] = _ignore
    """Side effect: moves a complete file or folder to its place as the output of that name, which is `during`."""
    kin: Callable[[], Sequence[Kin]] = _no_kin
    """Returns the unit's kin, the newest first: a step may go on from what it finds there, if its own bytes are the
    same as without. The unit itself is among them: it may have published something, lost its work folder, or be done
    once more because some of its files are gone."""
    serve: Callable[[str], None] = _ignore
    """Side effect: publishes the address (`http://host:port`) of a service. Call it when the service answers."""
