"""Settings of `report`: the run, or the sections of it, that the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from stages.formats.kinds import KINDS
from stages.report.parts.table import claimed
from stages.shared.contract import WHOLE, InputFile, Output, ReadsRun, StageConfig, StagePlan, Step


class ReportConfig(StageConfig):
    """Writes one self-contained HTML page about a run."""

    stage: ClassVar[str] = "report"
    tools: ClassVar[Mapping[str, str]] = {"report": "stages.report.build:report"}

    of: Annotated[str | list[str], ReadsRun(claimed())] = "run"
    """`run` for every section of the run, or the names of some sections. Files that do not exist yet are shown as not
    run yet."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the one step. Its bytes are no function of its inputs: they show the run's history and the clock."""
        step = Step(
            name="",
            run="stages.report.build:run",
            units=WHOLE,
            uses=(),
            reads=("of",),
            shape="small",
            core_seconds=5.0,
            disk_mb=5.0,
        )
        return StagePlan(steps=(step,), outputs=(Output(step="", unit=WHOLE[0].key, kind=KINDS.report, source=""),))


Config = ReportConfig
