"""Settings of `report`: which outputs of the run it shows. All are optional; what is missing is shown as not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from stages.shared.contract import InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step

REPORT = "report.html"


class ReportConfig(StageConfig):
    """Makes one self-contained HTML file of a run."""

    stage: ClassVar[str] = "report"

    web: Annotated[Inputs | None, Reads("funnel")] = None
    """Counts of pages by step and reason."""
    rejects: Annotated[Inputs | None, Reads("rejects")] = None
    """Samples of the rejected pages, to be opened in the report."""
    tables: Annotated[Inputs | None, Reads("tables")] = None
    """Pages, bytes and tokens by host and by language."""
    tokens: Annotated[Inputs | None, Reads("token_counts")] = None
    """Tokens by source."""
    metrics: Annotated[Inputs | None, Reads("metrics")] = None
    """Loss, learning rate and speed by training step."""
    readings: Annotated[Inputs | None, Reads("readings")] = None
    """How often the training read each source."""
    layers: Annotated[Inputs | None, Reads("layers")] = None
    """Norms of weights, gradients and activations by layer, if the training measured them (layer_stats_every)."""
    ranks: Annotated[Inputs | None, Reads("ranks")] = None
    """The training ranks' own times."""
    results: Annotated[Inputs | None, Reads("results")] = None
    """Scores of the evaluation."""
    generations: Annotated[Inputs | None, Reads("generations")] = None
    """Sample continuations."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the one step. Its bytes are no function of its inputs: they show the run's history and the clock."""
        training = ("metrics", "readings", "layers", "ranks")
        fields = ("web", "rejects", "tables", "tokens", *training, "results", "generations")
        step = Step(
            name="",
            run="stages.report.build:run",
            shards=1,
            uses=(),
            reads=tuple(field for field in fields if inputs.get(field)),
            shape="small",
            core_seconds=5.0,
            disk_mb=5.0,
        )
        return StagePlan(steps=(step,), outputs=(Output("", 0, REPORT, "report", ""),))


Config = ReportConfig
