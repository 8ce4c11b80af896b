"""Settings of `tools.score_plans`: plans of conducted requests are compared with the right ones.

A unit is a file of records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    InputFile,
    Inputs,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)


class ScorePlansConfig(StageConfig):
    """Scores plans: F1 of tasks, links and arguments, and answers that are right."""

    stage: ClassVar[str] = "tools.score_plans"

    conducted: Annotated[Inputs, Reads(KINDS.conducted)]
    requests: Annotated[Inputs, Reads(KINDS.tool_requests)]
    """The requests, with right plans and answers."""
    seed: int = Field(default=0, ge=0)
    """Draws the random plans of the control."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step."""
        files = inputs.get("conducted", ())
        keys = unique_keys(map(file_key, files))
        step = Step(
            name="",
            run="stages.tools.score_plans.run:score",
            units=tuple(Unit(key=key, inputs={"conducted": (file,)}) for key, file in zip(keys, files, strict=True)),
            uses=("seed",),
            reads=("conducted", "requests"),
            shape="small",
            core_seconds=5.0,
        )
        outputs = [
            Output(step="", unit=key, kind=KINDS.plan_scores, source=file.source)
            for key, file in zip(keys, files, strict=True)
        ]
        return StagePlan(steps=(step,), outputs=tuple(outputs))


Config = ScorePlansConfig
