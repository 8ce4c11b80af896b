"""Settings of `pretrain.scaling`: a power law through the losses of several small trainings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from stages.formats.kinds import KINDS
from stages.model.checkpoint.settings import PlannedModel
from stages.shared.contract import (
    WHOLE,
    InputFile,
    Inputs,
    Output,
    Reads,
    Section,
    StageConfig,
    StagePlan,
    Step,
)
from stages.shared.errors import ConfigError
from stages.train.planner.tokens import parse_tokens

LEAST = 4
"""Trainings of a law: two numbers are fitted, and the largest training is predicted from the others."""
Amount = Annotated[float, BeforeValidator(parse_tokens), Field(gt=0)]


class SizeSettings(Section):
    """A training that is asked about."""

    parameters: Amount
    """Parameters of the model, also written 7B."""
    tokens: Amount
    """Tokens that it is trained on, also written 1.4T."""


class ScalingConfig(StageConfig):
    """Fits loss = factor x operations ** exponent, so that a team can choose its size (arXiv:2001.08361)."""

    stage: ClassVar[str] = "pretrain.scaling"

    metrics: Annotated[Inputs, Reads(KINDS.metrics)]
    """Metrics of trainings by name: `{small: "from:small", medium: "from:medium"}`. Four or more, on the same data, of
    different cost. The held-out loss at the end counts where all have one, else the mean of the last steps' losses."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)] = "from:tokenizer"
    """Their tokenizer, whose pieces are rows of the models."""
    ask: dict[str, SizeSettings] = Field(default_factory=dict)
    """Trainings whose loss is predicted, by name: `{final: {parameters: 7B, tokens: 1T}}`."""
    last: float = Field(default=0.05, gt=0, le=1)
    """Share of the steps whose losses are averaged, without a held-out loss."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit. Raises ConfigError for too few trainings, and for one from outside the run."""
        files = inputs.get("metrics", ())
        if len({file.source for file in files}) < max(LEAST, len(files)):
            wanted = f"a mapping with {LEAST} trainings or more, each with its name (for example {{small: from:small}})"
            raise ConfigError("metrics", self.metrics, wanted)
        for file in files:
            if PlannedModel.of(file) is None:
                raise ConfigError("metrics", str(file.path), "metrics of a section of this run, which says its model")
        step = Step(
            name="",
            run="stages.pretrain.scaling.run:run",
            units=WHOLE,
            uses=("ask", "last"),
            reads=("metrics", "tokenizer"),
            shape="small",
            core_seconds=3.0,
        )
        output = Output(step="", unit=WHOLE[0].key, kind=KINDS.scaling, source="")
        return StagePlan(steps=(step,), outputs=(output,))


Config = ScalingConfig
