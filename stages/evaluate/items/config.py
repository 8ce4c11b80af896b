"""Settings of `evaluate.items`: the questions of tasks, which `decontaminate` looks for. A unit is a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from stages.evaluate.catalog.checks import check_cell, check_data
from stages.evaluate.catalog.definitions import check_definitions
from stages.evaluate.cells import FACTS, GENERATE, PERPLEXITY, Asked, Cell, TaskSettings, cells_of
from stages.evaluate.config import read_by
from stages.formats.benchmarks.index import read_index
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step, Unit
from stages.shared.errors import ConfigError


class ItemsConfig(StageConfig):
    """Writes the questions of tasks, by lm-eval's own definitions, under the names that results give them."""

    stage: ClassVar[str] = "evaluate.items"

    tasks: tuple[TaskSettings, ...]
    """As in `evaluate`: names, mappings, suites. Shots, seeds, limits and variants change no question and are left out,
    as are `perplexity` and `generate`, which have none."""
    datasets: Annotated[Inputs | None, Reads(KINDS.datasets)] = None
    """Folders of prepared data of lm-eval's tasks, as in `evaluate`."""
    definitions: Annotated[Inputs | None, Reads(KINDS.definition)] = None
    """Own tasks in lm-eval's format, as in `evaluate`."""
    facts: Annotated[Inputs | None, Reads(KINDS.facts)] = None
    """JSONL of {id, question, choices, answer}, for the task `facts`."""

    def cells(self) -> tuple[Cell, ...]:
        """Return each task once, without settings of its own. Raises ConfigError."""
        names = dict.fromkeys(cell.task for cell in cells_of(self.tasks, Asked()))
        return tuple(Cell(task=name) for name in names if name not in (PERPLEXITY, GENERATE))

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step over the tasks. Raises ConfigError for a task that cannot be loaded."""
        cells = self.cells()
        if not cells:
            raise ConfigError("tasks", [task.task for task in self.tasks], "one or more tasks with questions")
        datasets, definitions = ([file.path for file in inputs.get(name, ())] for name in ("datasets", "definitions"))
        for cell in cells:
            if cell.task == FACTS and not inputs.get("facts"):
                raise ConfigError("facts", self.facts, f"a file, because `tasks` has {FACTS!r}")
            check_cell(cell, datasets, definitions)
        units = tuple(Unit(key=cell.task, inputs=_read(cell, inputs)) for cell in cells)
        step = Step(
            name="",
            run="stages.evaluate.run:items",
            units=units,
            uses=(),
            reads=("datasets", "definitions", "facts"),
            shape="small",
            core_seconds=20.0,
            disk_mb=3.0,
            data=f"lm-eval {read_index().harness}",
        )
        outputs = tuple(Output(step="", unit=unit.key, kind=KINDS.items, source=unit.key) for unit in units)
        return StagePlan(steps=(step,), outputs=outputs)

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Look into definitions and into the headers of prepared data."""
        outside = {field: [file.path for file in files if not file.section] for field, files in inputs.items()}
        check_definitions(outside.get("definitions", ()))
        for cell in self.cells():
            check_data(cell, outside.get("datasets", ()))


def _read(cell: Cell, inputs: Mapping[str, tuple[InputFile, ...]]) -> dict[str, tuple[InputFile, ...]]:
    found = read_by(cell, inputs)
    return {field: found[field] for field in ("datasets", "definitions", "facts")}


Config = ItemsConfig
