"""Settings of `sample.label`: the gold rule of the closed world ranks answers, in the place of people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step


class LabelConfig(StageConfig):
    """Ranks the answers to each prompt by the gold rule."""

    stage: ClassVar[str] = "sample.label"

    answers: Annotated[Inputs, Reads(KINDS.rollouts)]
    """Responses of one or more policies. All responses to a prompt are ranked together."""
    seed: int = Field(default=1, ge=0)
    """Seed of the world, as `sample.seed`."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the one step."""
        step = Step(
            name="",
            run="stages.sample.label.run:label",
            units=WHOLE,
            uses=("seed",),
            reads=("answers",),
            shape="small",
            core_seconds=5.0,
            disk_mb=2.0,
        )
        return StagePlan(
            steps=(step,), outputs=(Output(step="", unit=WHOLE[0].key, kind=KINDS.preferences, source="gold"),)
        )


Config = LabelConfig
