"""Settings of `align.dpo`: a policy learns from rankings directly.

encode (a unit a file) -> pack (once) -> dpo (once, on all ranks of the layout)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from stages.align.comparisons import ComparisonStage
from stages.shared.errors import ConfigError
from stages.train.config import WEIGHTS
from stages.train.planner.shape import Companion, Workload, shape_of


class DpoConfig(ComparisonStage):
    """Trains a policy on ranked responses, held near the weights that it starts from."""

    stage: ClassVar[str] = "align.dpo"
    run: ClassVar[str] = "stages.align.dpo.run:train"
    step: ClassVar[str] = "dpo"

    beta: Annotated[float, WEIGHTS] = Field(default=0.1, gt=0)
    """Strength of the tie to the reference, the start of the training (arXiv:2305.18290, equation 7)."""
    loss: Annotated[Literal["sigmoid", "ipo"], WEIGHTS] = "sigmoid"
    """Loss of a pair: DPO's, or IPO's square, which does not grow with certainty (arXiv:2310.12036, equation 17)."""
    label_smoothing: Annotated[float, WEIGHTS] = Field(default=0.0, ge=0, lt=0.5)
    """Share of the pairs taken to be ranked the wrong way round (arXiv:2403.00409). For `loss: sigmoid`."""
    continue_with: Annotated[Literal["weights"], WEIGHTS] = "weights"
    """Taken from `continue_from`: its weights, which are the reference too."""

    @model_validator(mode="after")
    def _check_dpo(self) -> DpoConfig:
        if self.model.head != "lm":
            raise ConfigError("model.head", self.model.head, "lm: a policy writes tokens")
        if self.init_from is None and self.continue_from is None:
            raise ConfigError("continue_from", None, "a checkpoint, or init_from a release: the policy has to write")
        if self.loss == "ipo" and self.label_smoothing:
            raise ConfigError("label_smoothing", self.label_smoothing, "0 with loss: ipo")
        return self

    def workload(self, vocab_size: int = 0) -> Workload:
        """Return a step as the planner takes it: the reference reads what the policy learns from."""
        plain = shape_of(self.model.model_copy(update={"lora": None}), vocab_size, self.layout.tp)
        reference = Companion(name="reference", shape=plain)
        return replace(super().workload(vocab_size), name="policy", others=(reference,))


Config = DpoConfig
