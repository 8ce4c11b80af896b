"""Settings of the pretrain stage: tokens and their tokenizer in, a model out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import model_validator

from stages.formats.kinds import KINDS
from stages.formats.readings import Reading
from stages.shared.contract import Forecast, InputFile, Inputs, Reads
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.train.config import WEIGHTS
from stages.train.mixing.settings import MixingSettings
from stages.train.mixing.shares import costs
from stages.train.planner.budget import Budget, beside_chinchilla
from stages.train.sections import BlanksConfig
from stages.train.stage import TrainingStage

MIN_BLANKED = 16
"""Tokens of the shortest sequence that blanks are drawn in."""


class PretrainConfig(TrainingStage):
    """Trains a decoder to predict the next token, or to fill in blanks."""

    stage: ClassVar[str] = "pretrain"
    run: ClassVar[str] = "stages.pretrain.run:run"

    tokens: Annotated[Inputs, Reads(KINDS.tokens)]
    """Datasets of the tokens stage (`.bin`, with `.idx` beside it), one a source."""
    mixing: Annotated[MixingSettings | None, WEIGHTS] = None
    """Temperature, limits of epochs, another mixture at the end; null: `mixture` alone."""
    blanks: Annotated[BlanksConfig | None, WEIGHTS] = None
    """GLM's objective: fill in blanks, for a model with position `glm`; None: predict the next token."""

    @property
    def mixed(self) -> MixingSettings | None:
        """Settings of the mixture beyond its weights."""
        return self.mixing

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return the training's forecast, with Chinchilla's budgets for its model and for its operations."""
        found = super().forecast(step, inputs, machine, done)
        training = self.planned(inputs)
        if found is None or training.work.shape.experts:
            return found
        budget = Budget(training.work.shape.parameters, training.sequences * self.model.seq_len)
        rows = [("budget", beside_chinchilla(budget))]
        if sources := found.data.get("sources"):
            rows.append(("sources", costs([Reading(**each) for each in sources], found.hours * self.layout.ranks)))
        return replace(found, rows=(*found.rows, *rows))

    @model_validator(mode="after")
    def _check_mixing(self) -> PretrainConfig:
        if self.mixing is not None:
            self.mixing.require(self.mixture)
        return self

    @model_validator(mode="after")
    def _check_blanks(self) -> PretrainConfig:
        if (self.blanks is not None) != (self.model.position == "glm"):
            wanted = "{} or its settings, for position glm" if self.blanks is None else "set for position glm alone"
            raise ConfigError("blanks", self.blanks and self.blanks.model_dump(), wanted)
        if self.model.head != "lm":
            raise ConfigError("model.head", self.model.head, "lm: tokens are predicted")
        if self.blanks is not None and not self.attend_across_documents:
            raise ConfigError("attend_across_documents", False, "true with blanks: part A sees all of its sequence")
        if self.blanks is not None and self.model.seq_len < MIN_BLANKED:
            raise ConfigError("model.seq_len", self.model.seq_len, f"at least {MIN_BLANKED} with blanks")
        return self


Config = PretrainConfig
