"""One table of losses: every way of splitting a training against one process, on real ranks.

`pytest -s` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from stages.train.planner.shape import Layout
from tests.stages.train.ranks import DEEP, TINY, Run, losses, train

STEPS = 20
ENOUGH = 1e-4
"""Nats a token by which a loss may differ."""
DEEPSPEED = {"engine": "deepspeed"}
EXPERTS = {"moe": {"num_experts": 4, "top_k": 2, "z_loss": 1e-3}}


@dataclass(frozen=True)
class Row:
    """One way to split a training, or to compute it."""

    layout: dict[str, Any]
    experts: bool = False
    """Whether the model has experts."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Other settings, such as the engine."""

    @property
    def model(self) -> dict[str, Any]:
        """The settings of the model: a row is compared with a single process that has the same."""
        layers = DEEP if "interleave" in self.layout else TINY["model"]
        return {**layers, **(EXPERTS if self.experts else {})}

    def __str__(self) -> str:
        settings = [f"{name} {value}" for name, value in self.changes.items()]
        return ", ".join([str(Layout(**self.layout)), *settings, *(["experts"] if self.experts else [])])


ROWS = [
    Row({"tp": 2}),
    Row({"pp": 2}),
    Row({"dp": 2}),
    Row({"tp": 2, "pp": 2}),
    Row({"tp": 2, "dp": 2, "sp": True}),
    Row({"tp": 2, "pp": 2, "dp": 2}),
    Row({"pp": 2, "interleave": 2}),
    Row({"tp": 2, "pp": 2, "interleave": 2, "sp": True}),
    Row({"recompute": "full"}),
    Row({"recompute": "selective"}),
    Row({"tp": 2, "pp": 2, "sp": True, "recompute": "full"}),
    Row({"tp": 2, "sp": True, "recompute": "selective"}),
    Row({"offload": ("optimizer",)}),
    Row({"offload": ("activations",)}),
    Row({"dp": 2, "offload": ("optimizer", "activations")}),
    Row({"dp": 2}, experts=True),
    Row({"dp": 2, "ep": 2}, experts=True),
    Row({"tp": 2, "sp": True}, experts=True),
    Row({"tp": 2, "dp": 2, "ep": 2, "sp": True}, experts=True),
    Row({"pp": 2, "interleave": 2, "recompute": "selective"}, experts=True),
    *(Row({"dp": 2, "zero": zero}, changes=DEEPSPEED) for zero in (1, 2, 3)),
    *(Row({"dp": 2, "zero": zero, "offload": ("optimizer",)}, changes=DEEPSPEED) for zero in (1, 2, 3)),
    Row({"dp": 2, "zero": 3, "offload": ("optimizer", "weights", "activations")}, changes=DEEPSPEED),
    *(Row({"tp": 2, "dp": 2, "zero": zero}, changes=DEEPSPEED) for zero in (1, 2, 3)),
    Row({"tp": 2, "dp": 2, "sp": True, "zero": 3, "recompute": "full"}, changes=DEEPSPEED),
    *(Row({"dp": 2, "zero": zero}, experts=True, changes=DEEPSPEED) for zero in (1, 2, 3)),
]


@dataclass
class Table:
    """What was trained and what came of it."""

    folder: Path
    data: str
    alone: dict[str, list[float]] = field(default_factory=dict)
    """Losses of a single process, by model."""
    found: list[tuple[Row, float]] = field(default_factory=list)

    def losses(self, row: Row, name: str) -> list[float]:
        """Train a row and return its losses."""
        settings = {"steps": STEPS, "checkpoint_every": STEPS, "layout": row.layout, "model": row.model}
        run = Run(str(self.folder / name), self.data, settings | row.changes)
        assert set(train(run)) == {0}
        return losses(run)

    def difference(self, row: Row) -> float:
        """Train a row and return the largest difference of a loss to a single process's."""
        model = str(row.model)
        if model not in self.alone:
            alone = replace(row, layout={}, changes={"model": row.model})
            self.alone[model] = self.losses(alone, f"alone-{len(self.alone)}")
        own = self.losses(row, f"row-{len(self.found)}")
        assert own[-1] < own[0] - 1
        largest = max(abs(one - other) for one, other in zip(own, self.alone[model], strict=True))
        self.found.append((row, largest))
        return largest


@pytest.fixture(scope="module")
def table(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    table = Table(tmp_path_factory.mktemp("layouts"), corpus)
    yield table
    print(f"\n\n| layout | largest difference of {STEPS} losses |\n|---|---|")
    for row, largest in table.found:
        print(f"| {row} | {largest:.1e} |")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_losses_are_those_of_a_single_process(row: Row, table: Table) -> None:
    assert table.difference(row) < ENOUGH
