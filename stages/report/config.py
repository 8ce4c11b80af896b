"""Settings of `report`: which outputs of the run it shows. All are optional; what is missing is shown as not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step


class ReportConfig(StageConfig):
    """Makes one self-contained HTML file of a run."""

    stage: ClassVar[str] = "report"

    web: Annotated[Inputs | None, Reads(KINDS.funnel)] = None
    """Counts of pages by step and reason."""
    rejects: Annotated[Inputs | None, Reads(KINDS.rejects)] = None
    """Samples of the rejected pages, to be opened in the report."""
    tables: Annotated[Inputs | None, Reads(KINDS.tables)] = None
    """Pages, bytes and tokens by host and by language."""
    tokens: Annotated[Inputs | None, Reads(KINDS.token_counts)] = None
    """Tokens by source."""
    metrics: Annotated[Inputs | None, Reads(KINDS.metrics)] = None
    """Loss, learning rate and speed by training step."""
    readings: Annotated[Inputs | None, Reads(KINDS.readings)] = None
    """How often the training read each source."""
    layers: Annotated[Inputs | None, Reads(KINDS.layers)] = None
    """Norms of weights, gradients and activations by layer, if the training measured them (layer_stats_every)."""
    ranks: Annotated[Inputs | None, Reads(KINDS.rank_times)] = None
    """The training ranks' own times."""
    results: Annotated[Inputs | None, Reads(KINDS.results)] = None
    """Scores of the evaluation."""
    generations: Annotated[Inputs | None, Reads(KINDS.generations)] = None
    """Sample continuations."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the one step. Its bytes are no function of its inputs: they show the run's history and the clock."""
        training = ("metrics", "readings", "layers", "ranks")
        fields = ("web", "rejects", "tables", "tokens", *training, "results", "generations")
        step = Step(
            name="",
            run="stages.report.build:run",
            units=WHOLE,
            uses=(),
            reads=tuple(field for field in fields if inputs.get(field)),
            shape="small",
            core_seconds=5.0,
            disk_mb=5.0,
        )
        return StagePlan(steps=(step,), outputs=(Output(step="", unit=WHOLE[0].key, kind=KINDS.report, source=""),))


Config = ReportConfig
