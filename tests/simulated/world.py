"""A run on a simulated cluster, advanced in this process: for tests of the launcher without a stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from jobs.advance import advance
from jobs.paths import RunPaths
from jobs.plan.graph import Graph
from jobs.runs import Run
from jobs.submit.adjustments import adjusted, read_adjustments
from jobs.submit.ledger import Ledger
from jobs.submit.reconcile import finished
from jobs.submit.slurm import COMMENT
from tests.jobs import made
from tests.simulated.commands import Door
from tests.simulated.slurm import OVER, Array, Element, Slurm
from tests.simulated.work import Workers


class World:
    """A run on a simulated cluster."""

    def __init__(self, folder: Path, graph: Graph, door: Door, **faults: float) -> None:
        self.graph, self.folder, self.door = graph, folder, door
        self.paths = RunPaths(folder / "mine")
        self.workers = Workers(self.paths, faults=faults)
        self.slurm = Slurm(self.workers.work, self.workers.ended, max_array_size=200)
        door.slurm = self.slurm

    def run(self) -> Run:
        """Return the run as a new launcher sees it."""
        made_run = made.a_run(self.folder, self.graph)
        cluster = made_run.cluster.model_copy(update={"max_array_size": self.slurm.max_array_size})
        return replace(made_run, cluster=cluster, graph=adjusted(self.graph, read_adjustments(self.paths)))

    def advance(self, heal: bool = False) -> int:
        """Do what `run` or `heal` does."""
        return advance(self.run(), heal, wait=False)

    def is_finished(self) -> bool:
        return finished(self.run().look()[1])

    def in_queue(self) -> Counter[str]:
        """Return how often each unit is in the queue, by folder."""
        entries = {entry.key: entry for entry in Ledger(self.paths).submissions()}
        found = Counter[str]()
        for array, index, element in self.elements():
            match = COMMENT.match(array.comment)
            assert match is not None
            if element.state not in OVER:
                assert not element.hold, "what was submitted is released"
                found.update(entries[match["key"]].elements[index])
        return found

    def elements(self) -> Iterator[tuple[Array, int, Element]]:
        for array in self.slurm.arrays.values():
            for index, element in array.elements.items():
                yield array, index, element
