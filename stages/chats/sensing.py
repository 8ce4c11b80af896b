"""Base of the stages whose chats have pictures or sounds: trained parts, and the origin of the others. Light.

encode (a unit a file of chats or documents) -> pack (once) -> train (once, on all ranks of the layout)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from stages.chats.config import ChatStage
from stages.formats.chat.templates import PERCEIVED
from stages.formats.kinds import KINDS
from stages.model.checkpoint.settings import PlannedModel, read_sealed
from stages.model.senses import PARTS
from stages.shared.contract import Forecast, InputFile, Inputs, Reads, StagePlan
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.train.config import WEIGHTS
from stages.train.planner.senses import planned_sense, with_sense
from stages.train.stage import TrainingStage
from stages.train.starts import final_checkpoint

GIVEN = tuple(f"{part}_from" for part in PARTS)
"""Input fields of parts of the model."""


class SensingStage(ChatStage):
    """Settings of a training that joins an encoder to a decoder."""

    step: ClassVar[str] = "train"
    starts: ClassVar[tuple[str, ...]] = (*TrainingStage.starts, *GIVEN)
    perceives: ClassVar[Literal["picture", "audio"]]
    """The parts of messages that the encoder takes."""
    loaded: ClassVar[tuple[str, ...]] = ("join_from",)
    """Fields of GIVEN that name a checkpoint of ours."""

    too_long: Literal["refuse"] = "refuse"
    """A chat of more than `model.seq_len` tokens, positions of pictures or sounds included, is left out: neither is
    ever cut."""
    max_missing: float = Field(default=0.01, ge=0, le=1)
    """Largest share of a file's chats that may name a picture or sound that no collection has. They are counted and
    left out; a larger share stops the run."""
    train: Annotated[tuple[Literal["encoder", "join", "decoder"], ...], WEIGHTS] = Field(min_length=1)
    """Parts that are trained; the others stay as they are, bit for bit, and have no optimizer state. LLaVA's two stages
    are [join] and [join, decoder] (arXiv:2304.08485, section 4.2), mPLUG-Owl's first one [encoder, join]
    (arXiv:2304.14178, section 3.2). With model.lora `decoder` means its adapters."""
    join_from: Annotated[Inputs | None, Reads(KINDS.checkpoint)] = None
    """A checkpoint of this stage, or for pictures of vision.qformer, whose join is taken; None: that of
    `continue_from`, else drawn from the seed."""
    features: Annotated[Literal["auto", "cached", "each_step"], WEIGHTS] = "auto"
    """Whether the features of a frozen encoder are kept in the host's memory, so that each rank encodes a picture or
    sound once; features that need more than `cache_mb` are not. auto: kept where a rank reads them more than once."""
    cache_mb: Annotated[int, WEIGHTS] = Field(default=4096, ge=1)
    """Memory of a rank for features, or else for loaded pictures or sounds, in MB."""

    @model_validator(mode="after")
    def _check_sense(self) -> SensingStage:
        if self.model.sense is None:
            wanted = "a section with encoder and join (for example {join: {kind: mlp}})"
            raise ConfigError(f"model.{self.sense}", None, wanted)
        token = PERCEIVED[self.perceives]
        if token not in self.model.extra_tokens:
            wanted = f"a list with {token}, which stands for the positions of {self.looked_up[0]}"
            raise ConfigError("model.extra_tokens", [*self.model.extra_tokens], wanted)
        if self.model.lora and "decoder" not in self.train:
            raise ConfigError("model.lora", self.model.lora.model_dump(), "absent where train lacks decoder")
        if self.features == "cached" and "encoder" in self.train:
            raise ConfigError("features", self.features, "each_step or auto where train has encoder")
        if self.continue_from is None:
            self._require_parts()
        return self

    def _require_parts(self) -> None:
        """Raise ConfigError for a frozen part that would be drawn from the seed."""
        for part, name in zip(PARTS, GIVEN, strict=True):
            if part not in self.train and getattr(self, name) is None:
                wanted = f"given, or a continue_from with {self.sense}: a frozen {part} learns nothing"
                raise ConfigError(name, None, wanted)

    @property
    def kept_features(self) -> Literal["auto", "cached", "each_step"]:
        """Whether features are kept: never those of an encoder that is trained."""
        return "each_step" if "encoder" in self.train else self.features

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the three steps. Raises ConfigError if these settings and inputs cannot work."""
        found = super().plan(inputs)
        *steps, training = found.steps
        given = tuple(name for name in GIVEN if getattr(self, name) is not None)
        chosen = {name: (self._one(name, inputs[name]),) for name in given if inputs.get(name)}
        units = tuple(replace(unit, inputs={**unit.inputs, **chosen}) for unit in training.units)
        training = replace(training, units=units, reads=(*training.reads, *given))
        return replace(found, steps=(*steps, training))

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return what the training takes, encoder and join by part. Raises ConfigError if it does not fit."""
        found = super().forecast(step, inputs, machine, done)
        if found is None or step != self.step or self.model.sense is None:
            return found
        training = self.planned(inputs)
        sense = planned_sense(self.model, self.model.sense, self.train, training.work, microbatch=self.microbatch)
        return with_sense(found, self.model, sense, training.work, training.layout, machine)

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise what ChatStage does, and ConfigError for a frozen part that would be drawn from the seed."""
        super().inspect(inputs)
        for file in inputs.get("continue_from", ()):
            planned = PlannedModel.of(file)
            if (planned.model if planned else read_sealed(file.path).config).sense is None:
                self._require_parts()

    def _one(self, field: str, files: tuple[InputFile, ...]) -> InputFile:
        """Return the one folder of a part. Raises ConfigError if there is not exactly one."""
        if field in self.loaded:
            return final_checkpoint(field, files)
        if len(files) != 1:
            raise ConfigError(field, [file.where for file in files], "one folder")
        return files[0]
