"""Settings of the toy service: it answers every question over HTTP until it is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Inputs, Kind, Output, Reads, StageConfig, StagePlan, Step


class EchoConfig(StageConfig):
    """A stage of one step, a service."""

    stage: ClassVar[str] = "echo"

    words: Annotated[Inputs | None, Reads(Kind("words", "all.txt"))] = None
    """What it must have before it starts."""
    reply: str = "you said"

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the service and its address."""
        step = Step(
            name="", run="stages.echo.run:serve", units=WHOLE, uses=("reply",), reads=("words",), is_service=True
        )
        output = Output(step="", unit="all", kind=KINDS.endpoint, source="echo", during=True)
        return StagePlan(steps=(step,), outputs=(output,))


Config = EchoConfig
