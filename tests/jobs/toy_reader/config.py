"""Settings of the toy reader: a unit for each milestone of a march, or a few that ask a running service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Kind, Output, Reads, StageConfig, StagePlan, Step, Unit

READINGS = Kind("readings", "read.txt")


class ReaderConfig(StageConfig):
    """A stage of one step."""

    stage: ClassVar[str] = "reader"

    steps: Annotated[Inputs | None, Reads(Kind("steps"))] = None
    """Milestones: a unit reads one."""
    endpoint: Annotated[Inputs | None, Reads(KINDS.endpoint)] = None
    """A service: `askers` units ask it."""
    askers: int = 2
    asks: int = 1
    """Questions of a unit."""
    moods: str
    """Folder in which calls are noted and moods are read. Not part of the identity."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step."""
        units = [Unit(key=file.source, inputs={"steps": (file,)}) for file in inputs.get("steps", ())]
        if self.endpoint is not None:
            units += [Unit(key=f"asker-{number}") for number in range(self.askers)]
        step = Step(
            name="read",
            run="stages.reader.run:read",
            units=tuple(units),
            uses=("asks",),
            reads=("steps", "endpoint"),
            shape="small",
        )
        outputs = (Output(step="read", unit=unit.key, kind=READINGS, source=unit.key) for unit in units)
        return StagePlan(steps=(step,), outputs=tuple(outputs))


Config = ReaderConfig
