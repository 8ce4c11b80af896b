"""The verb `runs`: all runs in the folders of runs, each in a line: its owner, cluster, and how far it is."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from jobs.display import PlainConsole
from jobs.record import user_name
from jobs.runs import open_run
from jobs.show import COLOURS, ORDER
from stages.shared.errors import StagecoachError
from stages.shared.log import printable


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run."""

    name: str
    folder: str
    owner: str
    cluster: str = ""
    counts: dict[str, int]
    """Units by state. Of a run in Slurm's queue, as if the queue were empty: `status` asks it."""
    problem: str = ""
    """Why the run cannot be looked at."""


def run_lines(roots: Sequence[Path]) -> Iterator[RunLine]:
    """Yield the runs of some folders, the newest first in each. Reads no queue, so that a busy Slurm is no obstacle."""
    for root in roots:
        found = [path.parent for path in root.glob("*/run.json")]
        for folder in sorted(found, key=lambda path: -path.stat().st_mtime):
            owner = user_name(os.lstat(folder).st_uid)
            try:
                run = open_run([root], folder.name)
                states = run.look(reach=False)[1]
            except (StagecoachError, OSError) as error:
                yield RunLine(name=folder.name, folder=str(folder), owner=owner, counts={}, problem=str(error))
                continue
            counts = Counter(str(state.state) for units in states.values() for state in units.values())
            yield RunLine(
                name=folder.name, folder=str(folder), owner=owner, cluster=run.cluster.name, counts=dict(counts)
            )


def print_table(console: PlainConsole, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows of plain data as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for number, column in enumerate(rows[0] if rows else ()):
        table.add_column(column.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(printable(f"{value:.3g}" if isinstance(value, float) else str(value))) for value in row.values())
        )
    console.print(table)


def print_runs(console: PlainConsole, lines: Sequence[RunLine]) -> None:
    """Print runs as a table that fits 80 columns."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("run", "owner", "cluster", "units"):
        table.add_column(column, overflow="fold")
    for line in lines:
        parts = [Text(f"{line.counts[kind]} {kind}", COLOURS.get(kind, "dim")) for kind in ORDER if kind in line.counts]
        said = Text(printable(line.problem), "red") if line.problem else Text("  ").join(parts)
        table.add_row(Text(printable(line.name), "bold"), line.owner, line.cluster, said)
    console.print(table)
