"""Settings of `sample.requests`: requests about the closed world that need several experts."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Output, StageConfig, StagePlan, Step

TODAY = datetime.date(2031, 3, 14)
"""The date that requests about today have in mind: a Friday. `tools.conduct` has it as `today`."""
REQUEST_SECONDS, REQUEST_MB = 0.01, 0.02


class RequestsConfig(StageConfig):
    """Writes requests that need several experts, with pictures, right plans and right answers."""

    stage: ClassVar[str] = "sample.requests"

    seed: Annotated[int, Ge(0)] = 1
    """Draws the world and its requests, as `sample.seed`."""
    requests: Annotated[int, Ge(14)] = 140
    """Number of requests, half of them in Chinese."""
    size: Annotated[int, Ge(48), Le(512)] = 64
    """Pixels of a picture's side."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step."""
        step = Step(
            name="",
            run="stages.sample.requests.run:run",
            units=WHOLE,
            uses=("seed", "requests", "size"),
            core_seconds=1.0 + self.requests * REQUEST_SECONDS,
            disk_mb=self.requests * REQUEST_MB,
        )
        output = Output(step="", unit=WHOLE[0].key, kind=KINDS.tool_requests, source="town")
        return StagePlan(steps=(step,), outputs=(output,))


Config = RequestsConfig
