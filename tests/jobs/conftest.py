"""Fixtures of the launcher's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jobs.plan.graph import Graph
from jobs.submit import dispatch
from tests.jobs import made
from tests.jobs.bench import Bench
from tests.jobs.toy_stage import Toy, make_code_root
from tests.simulated.commands import Door
from tests.simulated.slurm import Outcome, Slurm
from tests.simulated.world import World

GRAPH = made.graph(made.job("a.x", 3), made.job("b.x", 2, ["a.x"]))


@pytest.fixture(scope="session")
def code_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return this code with the toy stage in it."""
    return make_code_root(tmp_path_factory.mktemp("code"))


@pytest.fixture
def toy(code_root: Path, tmp_path: Path) -> Toy:
    """Return a toy journey of its own on the local cluster."""
    return Toy(code_root, tmp_path)


@pytest.fixture
def bench(toy: Toy) -> Bench:
    """Return toy jobs to be run one process at a time."""
    return Bench(toy)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Give a maker of runs on a simulated Slurm: a folder, a graph, the share of starts with each kind of failure."""
    monkeypatch.setattr(dispatch, "take_snapshot", lambda paths: paths.code / "0123456789ab")
    with ExitStack() as stack:
        door = stack.enter_context(Door(Slurm(lambda *_: Outcome(1.0, "done")), tmp_path))
        monkeypatch.setenv("PATH", door.path)

        def make(name: str = "w", graph: Graph = GRAPH, **faults: float) -> World:
            return World(tmp_path / name, graph, door, **faults)

        yield make
