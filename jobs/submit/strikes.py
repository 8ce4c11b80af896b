"""Strikes: nodes that elements of a run have found bad (exit 77), with expiry. Nodes with too many are avoided.

The batch script's last act writes a strike; `launch.py nodes` shows and clears them. A node that is struck is excluded
from what is submitted from then on; the element that found it never comes back to it.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.paths import RunPaths
from stages.shared.files import read_json, write_json
from stages.shared.numbers import plural

if TYPE_CHECKING:  # the batch script's last act imports this module, and needs no pydantic
    from jobs.plan.cluster import Cluster, Resources
    from jobs.plan.graph import Graph

NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A node's name. Anything else, such as a list of nodes, is not recorded."""


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One element that has found a node bad."""

    node: str
    job: str
    reason: str
    when: float
    """Unix seconds."""


def write_strike(paths: RunPaths, name: str, strike: Strike) -> None:
    """Record a strike under the name of the attempt. What names no single node is not recorded."""
    if NODE.fullmatch(strike.node):
        write_json(paths.strikes / f"{name}.json", asdict(strike))


def read_strikes(paths: RunPaths) -> list[Strike]:
    """Return the strikes of a run, oldest first. Damaged records count for nothing."""
    return sorted(filter(None, map(_read, sorted(paths.strikes.glob("*.json")))), key=lambda strike: strike.when)


def _read(path: Path) -> Strike | None:
    try:
        record = read_json(path)
        found = Strike(
            node=str(record["node"]),
            job=str(record["job"]),
            reason=str(record["reason"]),
            when=float(record["when"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if NODE.fullmatch(found.node) else None


def clear_strikes(paths: RunPaths, nodes: Iterable[str]) -> int:
    """Remove the strikes of some nodes; return how many there were."""
    wanted, count = set(nodes), 0
    for path in sorted(paths.strikes.glob("*.json")):
        strike = _read(path)
        if strike is None or strike.node in wanted:
            path.unlink(missing_ok=True)
            count += strike is not None
    return count


def in_force(strikes: Iterable[Strike], now: float, hours: float) -> list[Strike]:
    """Return the strikes that have not expired. Pure."""
    return [strike for strike in strikes if now - strike.when < hours * 3600]


def bad_nodes(strikes: Iterable[Strike], limit: int) -> tuple[str, ...]:
    """Return the nodes with at least `limit` strikes. Pure."""
    counts = Counter(strike.node for strike in strikes)
    return tuple(sorted(node for node, count in counts.items() if count >= limit))


def without_bad_nodes(graph: Graph, paths: RunPaths, cluster: Cluster) -> Graph:
    """Return the graph with resources that avoid the bad nodes of the run."""
    if cluster.kind != "slurm" or not paths.strikes.is_dir():
        return graph
    found = bad_nodes(in_force(read_strikes(paths), time.time(), cluster.strikes.hours), cluster.strikes.limit)
    if not found:
        return graph
    jobs = {name: replace(job, resources=_avoiding(job.resources, found)) for name, job in graph.jobs.items()}
    return replace(graph, jobs=jobs)


def _avoiding(resources: Resources, nodes: tuple[str, ...]) -> Resources:
    given = [resources.exclude] if resources.exclude else []
    return resources.model_copy(update={"exclude": ",".join((*given, *nodes))})


def strike_lines(strikes: Iterable[Strike], limit: int, now: float) -> Iterator[str]:
    """Yield a line for each node with strikes, for `nodes`."""
    found: dict[str, list[Strike]] = {}
    for strike in strikes:
        found.setdefault(strike.node, []).append(strike)
    for node, own in sorted(found.items()):
        last = own[-1]
        avoided = "avoided" if len(own) >= limit else f"avoided from {limit} strikes on"
        hours = (now - last.when) / 3600
        latest = f"the last {hours:.1f} h ago by {last.job}: {last.reason}"
        yield f"{node}: {plural(len(own), 'strike')}, {avoided}; {latest}"
