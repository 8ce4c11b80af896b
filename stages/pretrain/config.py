"""Settings of the pretrain stage: tokens and their tokenizer in, a model out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.formats.readings import Reading
from stages.shared.contract import WHOLE, Forecast, InputFile, Inputs, Output, Reads, StagePlan, Step
from stages.shared.errors import ConfigError, nearest
from stages.shared.machine import Machine
from stages.train.config import WEIGHTS_DEPEND_ON, TrainingConfig
from stages.train.data.mixture import readings, warning
from stages.train.sections import BlanksConfig

CHECKPOINTS = ("final", "untrained")
"""Folders in the shard: the trained weights, and those it started from for comparison."""
BEST = "best"
"""With heldout_every beside them: the weights with the lowest loss on what is held out."""
MIN_BLANKED = 16
"""Tokens of the shortest sequence that blanks are drawn in."""
NARROW = 65_500
"""Pieces from which on a dataset takes 4 bytes a token, not 2 (Megatron's DType.optimal_dtype)."""
SHOWN = 6
"""Sources that a plan names."""


class PretrainConfig(TrainingConfig):
    """Trains a decoder to predict the next token."""

    stage: ClassVar[str] = "pretrain"
    weights_depend_on: ClassVar[tuple[str, ...]] = (*WEIGHTS_DEPEND_ON, "mixture", "blanks")

    tokens: Annotated[Inputs, Reads(KINDS.tokens)]
    """Datasets of the tokens stage (`.bin`, with `.idx` beside it), one a source."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """The tokenizer that made them."""
    mixture: dict[str, float] | None = None
    """Share of the sequences by source name, relative to one another; None: in proportion to the sources' tokens."""

    blanks: BlanksConfig | None = None
    """GLM's objective: fill in blanks, for a model with position `glm`; None: predict the next token."""
    init_from: Annotated[Inputs | None, Reads(KINDS.release)] = None
    """A LLaMA or Mixtral folder as transformers saves it, to start from its weights; None: drawn from the seed."""

    reference: Annotated[Inputs | None, Reads(KINDS.metrics)] = None
    """Metrics of a run that must have had the same losses, such as the same training in another layout; None: any."""
    tolerance: float = Field(1e-4, gt=0)
    """With a reference: the largest difference of a loss, in nats a token, that counts as the same."""

    @model_validator(mode="after")
    def _check_blanks(self) -> PretrainConfig:
        if (self.blanks is not None) != (self.model.position == "glm"):
            wanted = "{} or its settings, for position glm" if self.blanks is None else "set for position glm alone"
            raise ConfigError("blanks", self.blanks and self.blanks.model_dump(), wanted)
        if self.blanks is not None and not self.attend_across_documents:
            raise ConfigError("attend_across_documents", False, "true with blanks: part A sees all of its sequence")
        if self.blanks is not None and self.model.seq_len < MIN_BLANKED:
            raise ConfigError("model.seq_len", self.model.seq_len, f"at least {MIN_BLANKED} with blanks")
        return self

    @model_validator(mode="after")
    def _check_mixture(self) -> PretrainConfig:
        for source, weight in (self.mixture or {}).items():
            if not weight > 0:
                raise ConfigError(f"mixture.{source}", weight, "a weight above 0, or no such line")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit, worked on by all ranks of the layout."""
        sources = [file.source for file in inputs.get("tokens", ())]
        if self.mixture is not None:
            self._check_sources(sources)
        for field in ("init_from", "resume_from"):
            if len(inputs.get(field, ())) > 1:
                raise ConfigError(field, getattr(self, field), f"one folder, not {len(inputs[field])}")
        given = [name for name in ("init_from", "resume_from", "reference") if getattr(self, name) is not None]
        uses = [*self.weights_depend_on, *(["tolerance"] if "reference" in given else [])]
        models = list(CHECKPOINTS)
        if self.heldout_every is not None:
            uses.append("heldout_every")
            models.append(BEST)
        training = self.training(inputs)
        step = Step(
            name="",
            run="stages.pretrain.run:run",
            units=WHOLE,
            uses=tuple(uses),
            reads=("tokens", "tokenizer", *given),
            ranks=self.layout.ranks,
            resumes=True,
            shape="train",
            core_seconds=training.core_seconds,
            disk_mb=training.disk_mb,
            mem_mb=training.mem_mb,
            version=2,
        )
        unit = WHOLE[0].key
        outputs = [Output(step="", unit=unit, kind=KINDS.checkpoint, source=name, name=name) for name in models]
        measured = (KINDS.metrics, KINDS.readings, KINDS.layers, KINDS.rank_times)
        outputs += [Output(step="", unit=unit, kind=kind, source="") for kind in measured]
        return StagePlan(steps=(step,), outputs=tuple(outputs))

    def forecast(self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine) -> Forecast:
        """Return what every training's says, and how often each source is read, if the datasets' sizes are known."""
        told = super().forecast(step, inputs, machine)
        found = self._readings(inputs)
        if not found:
            return told
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        rows = [("data", "about: " + "; ".join(map(str, found[:SHOWN])) + more)]
        if said := warning(found):
            rows.append(("repeated", said))
        data = {**told.data, "sources": [asdict(reading) for reading in found]}
        return replace(told, rows=(*told.rows, *rows), data=data)

    def _readings(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> list[Reading]:
        """Return them by the datasets' sizes; none if one is not known."""
        files = inputs.get("tokens", ())
        if not files or not all(file.mb for file in files):
            return []
        pieces = next((file.count for file in inputs.get("tokenizer", ())), 0)
        tokens: dict[str, float] = defaultdict(float)
        for file in files:
            tokens[file.source] += file.mb * 1e6 / (2 if pieces < NARROW else 4)
        return readings(tokens, self.mixture, self.training(inputs).sequences * self.model.seq_len)

    def _check_sources(self, sources: list[str]) -> None:
        mixture = self.mixture or {}
        for source in mixture:
            if source not in sources:
                raise ConfigError(
                    f"mixture.{source}", mixture[source], f"a source of tokens ({nearest(source, sources)})"
                )
        for source in sources:
            if source not in mixture:
                raise ConfigError("mixture", sorted(mixture), f"a weight for every source of tokens, {source!r} too")


Config = PretrainConfig
