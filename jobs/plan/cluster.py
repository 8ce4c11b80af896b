"""Cluster files (envs/*.yaml): what this project knows about a place to run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from jobs.plan.validation import validated
from jobs.plan.yaml_file import load_mapping
from jobs.submit.slurm import slurm_answers
from stages.shared.errors import ConfigError, nearest
from stages.shared.machine import Gpu, Machine

ENVS = Path(__file__).resolve().parents[2] / "envs"


class Resources(BaseModel):
    """What one array element asks for. A cluster file sets all; a recipe may override any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: int = 1
    """CPUs a rank."""
    mem_gb: float = 4
    """Memory a node, in GB; 0 leaves it to the cluster's default."""
    time_min: int = 60
    """Time limit in minutes. A job that can checkpoint is requeued at the limit; the others must fit."""
    ranks_per_node: int = 1
    """Ranks placed on one node; a job of more ranks gets more nodes."""
    gpus_per_node: int = 0
    throttle: int = 256
    """Array elements that may run at once."""
    shards_per_element: int = 1
    """Shards an array element works through. Changes the array's shape, never the result."""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    """Nodes to stay away from."""
    max_stalls: int = 2
    """Attempts in a row without progress before an element counts as a crash loop and stops."""

    def nodes(self, ranks: int) -> int:
        """Return the nodes that so many ranks need."""
        return -(-ranks // self.ranks_per_node)


class Defaults(BaseModel):
    """Resources by the shape a step declares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Resources = Resources()
    train: Resources = Resources()
    small: Resources = Resources()


class Cluster(BaseModel):
    """One cluster file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["slurm", "local"]
    testbed: bool = False
    """Start this machine's own four-node Slurm (envs/testbed) before the first call."""
    python: str | None = None
    """Python on the compute nodes; None is the one that runs the launcher."""
    runs: str | None = None
    """Folder for runs, on a file system that all nodes share; None is ./runs."""
    crawl: str = "https://data.commoncrawl.org/"
    """Where Common Crawl's archive is read: there, at s3://commoncrawl/, or in a mirror's folder (what holds its
    `crawl-data`). For dumps named in a recipe; the results do not depend on it."""
    environment: dict[str, str] = {}
    """Variables for the launcher's Slurm commands and for the jobs. Not for secrets: they end in scripts."""
    setup: tuple[str, ...] = ()
    """Shell lines before the work starts: `module load ...`, proxies, scratch."""
    srun_args: tuple[str, ...] = ()
    sbatch: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*$")], bool | int | str] = {}
    """Further #SBATCH flags by long name, such as {reservation: llm, exclusive: true}; false leaves one out."""
    umask: str = "077"
    max_array_size: int | None = None
    """Slurm's MaxArraySize; None asks `scontrol show config`."""
    signal_lead_s: int = 90
    """USR2 comes this long before the time limit (Slurm: up to 60 s earlier)."""
    cores: int | None = None
    """Local only: cores to share among elements; None is all of this machine's."""
    defaults: Defaults = Defaults()
    gpu: Gpu | None = None
    """What its GPUs are, for the forecasts of `plan`: a known type, or a mapping (stages/shared/machine.py)."""

    def machine(self, asked: Resources) -> Machine:
        """Return what ranks with these resources compute on."""
        gpu = self.gpu if asked.gpus_per_node else None
        return Machine(gpu=gpu, ranks_per_node=asked.ranks_per_node, cores=asked.cpus)


def cluster_names() -> list[str]:
    """Return the names of the cluster files in envs/."""
    return sorted(path.stem for path in ENVS.glob("*.yaml"))


def known_clusters() -> list[Cluster]:
    """Return the clusters of the files in envs/, but for the examples, which are nobody's."""
    return [load_cluster(name) for name in cluster_names() if not name.startswith("example")]


def load_cluster(name: str) -> Cluster:
    """Return a cluster by file name in envs/, by path to a YAML file, or `auto`.

    `auto` takes envs/slurm.yaml if a Slurm answers here, else envs/local.yaml.
    Raises ConfigError for an unknown name or a wrong setting, DataError for a file that holds no settings.
    """
    if name == "auto":
        name = "slurm" if slurm_answers() else "local"
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


def enter(cluster: Cluster) -> None:
    """Make this process speak to `cluster`: its environment, and the testbed if it is one. Side effects."""
    os.environ.update(cluster.environment)
    if cluster.testbed:
        from envs.testbed import control  # noqa: PLC0415  (starts daemons: only for this cluster)

        os.environ.update(control.up())
