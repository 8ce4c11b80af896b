"""The doctor's proposal: a cluster file for this cluster, from what its Slurm says. `proposal` is pure."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from jobs.checks.scheduler import default_partition, minutes, parse_partitions
from jobs.submit import slurm
from stages.shared.errors import ClusterError

DAY = 24 * 60
SCRATCH = ("SCRATCH", "WORK", "PROJECT", "WORKDIR")
"""Variables in which sites name a large folder that all nodes share."""
MOST_MEMORY = 0.9
"""Share of a node's memory that jobs ask for: the rest is the system's."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The nodes of a partition, by their smallest member."""

    cpus: int
    mem_gb: float
    gpus: int
    gres: str
    """Type of the GPUs as Slurm names it, such as gpu:h100."""


def parse_nodes(text: str) -> dict[str, Nodes]:
    """Return the nodes of each partition from `sinfo -h -N -o '%R|%c|%m|%G'`."""
    found: dict[str, list[Nodes]] = {}
    for line in text.splitlines():
        partition, cpus, memory, gres = line.strip().split("|")
        gpu = re.search(r"(gpu(?::[\w-]+)?):(\d+)", gres)
        each = Nodes(
            cpus=int(cpus.rstrip("+")),
            mem_gb=int(memory.rstrip("+")) // 1024,
            gpus=int(gpu[2]) if gpu else 0,
            gres=gpu[1] if gpu else "",
        )
        found.setdefault(partition, []).append(each)
    return {name: min(nodes, key=lambda node: (node.gpus, node.cpus, node.mem_gb)) for name, nodes in found.items()}


def proposal(
    partitions: Mapping[str, Mapping[str, str]], nodes: Mapping[str, Nodes], runs: str, python: str, account: str | None
) -> str:
    """Return the text of a cluster file. Raises ClusterError for a cluster without a partition that is up."""
    up = [name for name, row in partitions.items() if row.get("State", "UP") == "UP" and name in nodes]
    if not up:
        raise ClusterError("no partition of this cluster is up: ask its administrators, then call the doctor again")
    first = default_partition({name: partitions[name] for name in up})
    plain = [name for name in up if not nodes[name].gpus] or up
    data = first if first in plain else plain[0]
    gpu = max(up, key=lambda name: (nodes[name].gpus, name == first))
    train = gpu if nodes[gpu].gpus else data
    values = {
        "kind": "slurm",
        "runs": runs,
        "python": python,
        "defaults": {
            "data": _shape(data, partitions, nodes, account, share=16),
            "train": _shape(train, partitions, nodes, account, share=1),
            "small": _shape(data, partitions, nodes, account, share=4),
        },
        "signal_lead_s": 180,
        "srun_args": ["--cpu-bind=none"],
    }
    about = [f"# {name}: {_about(nodes[name], partitions[name])}" for name in up]
    head = [
        "# Proposed by `launch.py doctor --propose` from what Slurm says. Read it, save it as envs/NAME.yaml, then",
        "# call `launch.py doctor --cluster NAME`. envs/example-slurm.yaml explains every setting.",
        *about,
    ]
    return "\n".join([*head, "", yaml.safe_dump(values, sort_keys=False)])


def _shape(
    name: str, partitions: Mapping[str, Mapping[str, str]], nodes: Mapping[str, Nodes], account: str | None, share: int
) -> dict[str, object]:
    """Return the resources of a shape: a share of a node of its partition, all of it with GPUs."""
    node, longest = nodes[name], minutes(partitions[name].get("MaxTime", "UNLIMITED"))
    ranks = node.gpus if share == 1 and node.gpus else 1
    memory = int(node.mem_gb * MOST_MEMORY) // share
    shape: dict[str, object] = {
        "partition": name,
        **({"account": account} if account else {}),
        **(
            {"gpus_per_node": node.gpus, "ranks_per_node": node.gpus} if ranks > 1 or (share == 1 and node.gpus) else {}
        ),
        "cpus": max(1, node.cpus // share // ranks),
        **({"mem_gb": memory} if memory else {}),
        "time_min": int(min(longest, DAY if share == 1 else DAY / 4)),
    }
    if node.gres.count(":") and "gpus_per_node" in shape:
        shape["sbatch"] = {"gpus-per-node": False, "gres": f"{node.gres}:{node.gpus}"}
    return shape


def _about(node: Nodes, row: Mapping[str, str]) -> str:
    gpus = f", {node.gpus} x {node.gres}" if node.gpus else ""
    return f"{node.cpus} CPUs, {node.mem_gb:g} GB{gpus} a node, up to {row.get('MaxTime', 'UNLIMITED')}"


def propose(environment: Mapping[str, str] = os.environ) -> str:
    """Return a cluster file for the Slurm that this machine speaks to. Raises ClusterError if it does not answer."""
    partitions = parse_partitions(slurm.call(["scontrol", "show", "partition", "--oneliner"]))
    nodes = parse_nodes(slurm.call(["sinfo", "-h", "-N", "-o", "%R|%c|%m|%G"]))
    scratch = next((environment[name] for name in SCRATCH if environment.get(name)), str(Path.cwd()))
    return proposal(partitions, nodes, f"{scratch.rstrip('/')}/stagecoach", sys.executable, _account())


def _account() -> str | None:
    """Return this user's default account, None where there is no accounting."""
    said = slurm.accounting("user", "withassoc", "format=DefaultAccount", os.environ.get("USER", ""))
    return next(iter(said.split()), None)
