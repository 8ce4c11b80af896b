"""Cluster files (envs/*.yaml): a place to run, and the resources of each shape of step there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from jobs.plan.validation import validated
from jobs.plan.yaml_file import load_mapping
from jobs.submit.slurm import is_installed, require_answer
from stages.shared.errors import ConfigError, nearest
from stages.shared.machine import Gpu, Machine
from stages.shared.settings import Settings

ENVS = Path(__file__).resolve().parents[2] / "envs"
MAX_MINUTES = 366 * 24 * 60
MAX_COUNT = 10**9
STAND_INS = {"data": None, "train": None, "small": None, "generate": "train", "serve": "train"}
"""Shapes that every cluster has. Without an entry in the cluster file: the shape in its place, None for Resources()."""

_NEEDED = "there is no setting: the launcher's recovery rests on it"
OWNED: Mapping[str, str] = {
    "array": "set defaults.SHAPE.throttle and units_per_element",
    "comment": "set `comment`",
    "dependency": _NEEDED,
    "requeue": _NEEDED,
    "no-requeue": _NEEDED,
    "output": "read `launch.py logs`",
    "error": "read `launch.py logs`",
    "input": _NEEDED,
    "open-mode": _NEEDED,
    "parsable": _NEEDED,
    "wait": "give --wait to `launch.py run`",
    "wrap": _NEEDED,
    "test-only": "call `launch.py plan` or `doctor`",
    "hold": "call `scontrol hold`",
    "job-name": "give --name to `launch.py run`",
    "signal": "set signal_lead_s",
    "export": "set `environment`",
    "export-file": "set `environment`",
    "clusters": "set environment.SLURM_CLUSTERS",
    "nodes": "set defaults.SHAPE.ranks_per_node",
    "ntasks": "set defaults.SHAPE.ranks_per_node",
    "ntasks-per-node": "set defaults.SHAPE.ranks_per_node",
    "cpus-per-task": "set defaults.SHAPE.cpus",
    "time": "set defaults.SHAPE.time_min",
    "mem": "set defaults.SHAPE.mem_gb",
    "gpus-per-node": "set defaults.SHAPE.gpus_per_node",
    "partition": "set defaults.SHAPE.partition",
    "account": "set defaults.SHAPE.account",
    "qos": "set defaults.SHAPE.qos",
    "reservation": "set defaults.SHAPE.reservation",
    "constraint": "set defaults.SHAPE.constraint",
    "licenses": "set defaults.SHAPE.licenses",
    "exclude": "set defaults.SHAPE.exclude",
}
"""Flags of sbatch that the launcher writes itself or cannot work with, and the way to each one's end."""


GPUS_FLAG = "gpus-per-node"
"""May be removed with false: sites ask for GPUs in ways of their own, such as {gres: "gpu:h100:8"}."""


def _without_owned(flags: dict[str, bool | int | str]) -> dict[str, bool | int | str]:
    for name, value in flags.items():
        if name == GPUS_FLAG and value is False:
            continue
        # sbatch takes any beginning of a flag's name for the flag, unless it is another flag's whole name.
        if owned := next((flag for flag in OWNED if flag == name or flag.startswith(name)), None):
            raise ValueError(f"flags without {name!r}: {OWNED[owned]}")
    return flags


Flags = Annotated[
    dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*$")], bool | int | str], AfterValidator(_without_owned)
]
"""Further #SBATCH flags by long name, such as {mail-type: FAIL, exclusive: true}. Those that the launcher writes itself
are refused: they have settings of their own, or jobs could not be found again without them."""


class Resources(Settings):
    """Resources of one array element. A cluster file sets them by shape; a recipe may override each."""

    cpus: int = Field(default=1, ge=1, le=4096)
    """CPUs a rank."""
    mem_gb: float = Field(default=4, ge=0, le=1e6)
    """Memory a node, in GB; 0 leaves it to the cluster's default."""
    time_min: int = Field(default=60, ge=1, le=MAX_MINUTES)
    """Time limit in minutes. A job that can checkpoint is requeued at the limit; other jobs must fit."""
    ranks_per_node: int = Field(default=1, ge=1, le=4096)
    """Ranks on one node; a job of more ranks gets more nodes."""
    gpus_per_node: int = Field(default=0, ge=0, le=256)
    throttle: int = Field(default=256, ge=1, le=MAX_COUNT)
    """Array elements that may run at once."""
    units_per_element: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    """Units of one array element, on average: elements have about equal costs. 1: each unit alone. null: as many as
    fill `element_min` where the stage knows what its units cost (`evaluate`), else 1. Changes the array's shape, never
    the result."""
    element_min: float = Field(default=20, gt=0, le=MAX_MINUTES)
    """Minutes that an array element is to take, where the stage knows what its units cost: short units share one, and a
    unit that takes more than twice as long is divided into parts, if its stage can do that."""
    units_at_once: int = Field(default=1, ge=1, le=4096)
    """Units of an element that run side by side, each with `cpus`, on the element's one node. For clusters that give
    every job whole nodes. A unit of several ranks is alone in its element."""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    reservation: str | None = None
    constraint: str | None = None
    """Features that the nodes must have, such as `h100&nvlink`."""
    licenses: str | None = None
    """Licences of the cluster that an element holds while it runs, such as `lustre:1`."""
    exclude: str | None = None
    """Nodes to avoid."""
    sbatch: Flags = Field(default_factory=dict)
    """Further flags of this shape, over the cluster's: GPUs as a site asks for them, such as {gres: "gpu:h100:8"}."""
    backoff_s: int = Field(default=300, ge=0, le=86_400)
    """Slurm: seconds before an element starts again after a second attempt in a row without progress; doubled after
    each further one. After the first, or one with progress, it starts as soon as Slurm lets it."""
    max_stalls: int = Field(default=2, ge=0, le=1000)
    """Attempts in a row without progress before an element counts as a crash loop and stops."""

    def nodes(self, ranks: int) -> int:
        """Return the number of nodes for so many ranks."""
        return -(-ranks // self.ranks_per_node)

    def lanes(self, ranks: int) -> int:
        """Return the number of units that an element runs side by side, for a step of so many ranks."""
        return min(self.units_at_once, self.units_per_element or self.units_at_once) if ranks == 1 else 1


class AskAbove(Settings):
    """Sizes of a submission above which `run` and `heal` ask before they submit."""

    elements: int = Field(default=50_000, ge=0)
    core_hours: float = Field(default=20_000, ge=0)
    gpu_hours: float = Field(default=2_000, ge=0)


class Container(Settings):
    """A container image in which jobs run. The folder of the run is bound into it under its own path."""

    kind: Literal["apptainer", "pyxis"]
    image: str
    """Path or URL, as the container's program takes it. `python` of the cluster file is a path inside it."""
    binds: tuple[str, ...] = ()
    """Further folders, as `path` or `path:path inside`."""
    args: tuple[str, ...] = ()
    """Further words for `apptainer exec` or srun."""


class StrikeRule(Settings):
    """The rule by which a run avoids nodes that its elements have found bad (exit 77)."""

    limit: int = Field(default=2, ge=1)
    """Strikes of a node from which on it is avoided."""
    hours: float = Field(default=24, gt=0)
    """Hours after which a strike expires."""


class Cluster(Settings):
    """One cluster file."""

    name: str = Field(pattern=r"^[^/\x00-\x1f]+$")
    kind: Literal["slurm", "local"]
    testbed: bool = False
    """Start this machine's own four-node Slurm (envs/testbed) before the first call."""
    python: str | None = None
    """Python on the compute nodes; null: the Python that runs the launcher."""
    runs: str | None = None
    """Folder for runs, on a file system that all nodes share; null: ./runs."""
    crawl: str = "https://data.commoncrawl.org/"
    """Place of Common Crawl's archive: the default, s3://commoncrawl/, or the folder of a mirror that holds
    `crawl-data`. For dumps named in a recipe; the results do not depend on it."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables for the launcher's Slurm commands and for the jobs. No secrets: they are written into scripts."""
    setup: tuple[str, ...] = ()
    """Shell lines before the work starts: `module load ...`, proxies, scratch."""
    epilogue: tuple[str, ...] = ()
    """Shell lines after the work, before its end is recorded: copies to be saved, scratch to be emptied."""
    template: str | None = None
    """The site's own batch script, a Jinja template. It may extend the launcher's: `{% extends "job.sh.j2" %}` with
    blocks `banner`, `prologue` and `epilogue`. `launch.py doctor` checks it."""
    container: Container | None = None
    node_copy: str | None = None
    """Folder on the nodes' own disks, such as /tmp: elements of one node unpack the code there, once a node."""
    srun_args: tuple[str, ...] = ()
    sbatch: Flags = Field(default_factory=dict)
    """Further flags of all shapes."""
    comment: Annotated[str, StringConstraints(pattern=r"^[^\n]*$")] = ""
    """The site's own text in the comment of every job. It stands behind the launcher's:
    `stagecoach:<run>:<submission> <text>`."""
    umask: str = Field(default="077", pattern="^0?[0-7][0-7][2367]$")
    """Rights that others do not get on a run's files, octal: "027" lets the group read them. None lets all write."""
    shared: bool = False
    """Group mode: members of the group of the folder of runs may `run`, `heal` and `cancel` each other's runs. Needs a
    `umask` such as "007", and this setting in the cluster file of each of them."""
    log_format: Literal["text", "json"] = "text"
    """Format of the jobs' logs; `launch.py logs` reads both."""
    max_array_size: int | None = Field(default=None, ge=1, le=4_000_001)
    """Slurm's MaxArraySize; null: the answer of `scontrol show config`."""
    signal_lead_s: int = Field(default=90, ge=0, le=65_535)
    """Seconds from USR2 to the time limit. Slurm may send it up to 60 s earlier."""
    cores: int | None = Field(default=None, ge=1, le=65_536)
    """Local only: cores to share among elements; null: all cores of this machine."""
    defaults: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")], Resources] = Field(
        default_factory=dict
    )
    """Resources by shape; a step names its shape."""
    ask_above: AskAbove = Field(default_factory=AskAbove)
    """Slurm only: `run` and `heal` ask before they submit more, or want --yes."""
    strikes: StrikeRule = Field(default_factory=StrikeRule)
    """Slurm only: when a run avoids a node. `launch.py nodes` shows and clears strikes."""
    gpu: Gpu | None = None
    """Its GPUs, for the forecasts of `plan`: a known type, or a mapping (stages/shared/machine.py)."""

    @model_validator(mode="after")
    def _group_mode_is_asked_for(self) -> Cluster:
        writes = not int(self.umask, 8) & 0o020
        if writes and not self.shared:
            wanted = 'one that lets no one else write, such as "027"; the group may with shared: true'
            raise ConfigError("umask", self.umask, wanted)
        if self.shared and not writes:
            raise ConfigError("umask", self.umask, 'one that lets the group write beside shared: true, such as "007"')
        return self

    def shape(self, name: str) -> Resources:
        """Return the resources of a shape: the cluster file's, else those of STAND_INS.

        Raises ConfigError for a shape that is in neither.
        """
        if name in self.defaults:
            return self.defaults[name]
        if name not in STAND_INS:
            known = [*self.defaults, *STAND_INS]
            wanted = f"the resources of steps of this shape, in the cluster file of {self.name}; {nearest(name, known)}"
            raise ConfigError(f"defaults.{name}", None, wanted)
        other = STAND_INS[name]
        return self.shape(other) if other else Resources()

    def shared_out(self, asked: Resources, units: int, ranks: int) -> Resources:
        """Return the resources of a job of so many units, each of so many ranks.

        This machine shares units out among its cores: `units_per_element` is then the most that an element gets.
        """
        if self.kind == "slurm":
            return asked
        at_once = max(1, min(asked.throttle, self.num_cores // (ranks * asked.cpus)))
        share = max(1, -(-units // at_once))
        return asked.model_copy(update={"units_per_element": min(asked.units_per_element or share, share)})

    @property
    def num_cores(self) -> int:
        """Cores of this machine that elements may use."""
        return self.cores or os.cpu_count() or 1

    def flags(self, asked: Resources) -> Flags:
        """Return the further flags of sbatch for a shape's resources."""
        return {**self.sbatch, **asked.sbatch}

    def machine(self, asked: Resources) -> Machine:
        """Return the machine that ranks with these resources compute on."""
        gpu = self.gpu if asked.gpus_per_node else None
        return Machine(gpu=gpu, ranks_per_node=asked.ranks_per_node, cores=asked.cpus)


def cluster_names() -> list[str]:
    """Return the names of the cluster files in envs/."""
    return sorted(path.stem for path in ENVS.glob("*.yaml"))


def known_clusters() -> list[Cluster]:
    """Return the clusters of the files in envs/, except the example files."""
    return [load_cluster(name) for name in cluster_names() if not name.startswith("example")]


def load_cluster(name: str) -> Cluster:
    """Return a cluster by file name in envs/, by path to a YAML file, or `auto`.

    `auto` is envs/slurm.yaml where Slurm is installed, else envs/local.yaml.
    Raises ConfigError for an unknown name or a wrong setting, DataError for a file that holds no settings, ClusterError
    if `auto` finds a Slurm without an answer: the login node is no place for what was meant for the cluster.
    """
    if name == "auto":
        name = automatic()
        if name == "slurm":
            require_answer()
    path = Path(name) if name.endswith((".yaml", ".yml")) else ENVS / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(
            "--cluster", name, f"a path to a .yaml file or a file in envs/; {nearest(name, cluster_names())}"
        )
    values = load_mapping(path, "cluster settings")
    try:
        return validated(Cluster, {"name": path.stem, **values}, "")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.setting}", error.value, error.wanted) from None


def automatic() -> str:
    """Return the name of the cluster file that `auto` stands for."""
    return "slurm" if is_installed() else "local"


def enter(cluster: Cluster) -> None:
    """Set up this process to call `cluster`. Side effect: sets its environment variables and starts the testbed."""
    os.environ.update(cluster.environment)
    if cluster.testbed:
        from envs.testbed import control  # noqa: PLC0415  (starts daemons: only for this cluster)

        os.environ.update(control.up())
