"""Settings of `vision.qformer`: a Q-Former learns from captions what to ask a frozen encoder.

train (once, on all ranks of the layout)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.formats.readings import Reading
from stages.model.config import ModelConfig
from stages.model.eyes import EyesConfig
from stages.model.huggingface.config import CONFIG_JSON, read_config
from stages.model.huggingface.vision.config import from_vision_json, require_same_encoder
from stages.model.joins.config import JoinConfig
from stages.pictures.plan import Fixed
from stages.shared.contract import Forecast, InputFile, Inputs, Reads, StagePlan
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.train.config import WEIGHTS
from stages.train.planner.senses import planned_sense, with_sense
from stages.train.stage import TrainingStage
from stages.train.together import require_absent, require_together

_OF_JOIN = ("num_layers", "dim", "num_heads", "ffn_dim", "init_std")
"""Settings of the text side that are the Q-Former's."""
CLS, DEC = "[CLS]", "[DEC]"
"""First tokens of a text that is read and of one that is written."""


class ReaderConfig(ModelConfig):
    """A Q-Former with its text side. Text passes the layers of `eyes.join`, whose shape it has."""

    num_layers: int = Field(default=12, ge=1)
    """Layers; not given: those of eyes.join."""
    dim: int = Field(default=768, ge=2)
    """Width of a token and of a query; not given: that of eyes.join."""
    num_heads: int = Field(default=12, ge=1)
    """Attention heads; not given: those of eyes.join."""
    ffn_dim: int | None = Field(default=3072, ge=1)
    """Inner width of the text's feed-forward blocks; not given: that of eyes.join."""
    seq_len: int = Field(default=64, ge=2)
    """Queries and tokens of a caption, its first and its end included, together; longer captions are cut."""
    norm: Literal["layernorm"] = "layernorm"
    """BERT's, behind each half of a block."""
    norm_eps: float = Field(default=1e-12, ge=1e-12, le=1e-12)
    """BERT's."""
    activation: Literal["gelu"] = "gelu"
    """BERT's."""
    bias: Literal[True] = True
    """BERT's."""
    head: Literal["none"] = "none"
    """It is no language model."""
    extra_tokens: tuple[str, ...] = (CLS, DEC)
    """First tokens of a text that is read and of one that is written."""
    eyes: EyesConfig = EyesConfig(join=JoinConfig(kind="qformer"))
    """Encoder and Q-Former, as vision.train has them afterwards."""

    @model_validator(mode="before")
    @classmethod
    def _take_shape(cls, given: Any) -> Any:
        """Fill in the shape of the text side from the Q-Former's."""
        eyes = given.get("eyes") if isinstance(given, dict) else None
        join = eyes.get("join") if isinstance(eyes, dict) else getattr(eyes, "join", None)
        if join is None:
            return given
        shape = join if isinstance(join, JoinConfig) else JoinConfig.model_validate(join)
        return {**{name: getattr(shape, name) for name in _OF_JOIN if getattr(shape, name)}, **given}

    @model_validator(mode="after")
    def _check_reader(self) -> ReaderConfig:
        join = self.eyes.join
        if join.kind != "qformer":
            raise ConfigError("model.eyes.join.kind", join.kind, "qformer")
        for name in _OF_JOIN:
            if getattr(self, name) != getattr(join, name):
                wanted = f"that of model.eyes.join ({getattr(join, name)}), or absent"
                raise ConfigError(f"model.{name}", getattr(self, name), wanted)
        if self.eyes.max_tiles > 1:
            raise ConfigError("model.eyes.max_tiles", self.eyes.max_tiles, "1: a caption is about one square")
        if self.extra_tokens != (CLS, DEC):
            raise ConfigError("model.extra_tokens", [*self.extra_tokens], f"absent, or [{CLS}, {DEC}]")
        return self

    @property
    def text_len(self) -> int:
        """Tokens of a caption, its first and its end included."""
        return self.seq_len - self.eyes.join.queries


class QFormerConfig(TrainingStage):
    """Trains a Q-Former by BLIP-2's three losses, on the features of a frozen encoder."""

    stage: ClassVar[str] = "vision.qformer"
    data: ClassVar[str] = "pictures"
    run: ClassVar[str] = "stages.vision.qformer.run:train"
    starts: ClassVar[tuple[str, ...]] = (*TrainingStage.starts, "encoder_from")
    sees: ClassVar[bool] = True

    pictures: Annotated[Inputs, Reads(KINDS.pictures)]
    """Collections of pictures. Those without a caption are not trained on."""
    encoder_from: Annotated[Inputs, Reads(KINDS.encoder)]
    """A CLIP or SigLIP folder, or `from:` a section that trained one: the encoder, which stays as it is."""
    model: Annotated[ReaderConfig, WEIGHTS] = ReaderConfig()
    """The Q-Former, and the text side that it learns from, which is of no further use."""
    projection: Annotated[int, WEIGHTS] = Field(default=256, ge=1)
    """Width of the space in which queries and captions are compared."""
    temperature: Annotated[float, WEIGHTS] = Field(default=0.07, gt=0)
    """Temperature of the similarities at the start; it is learned."""
    label_smoothing: Annotated[float, WEIGHTS] = Field(default=0.1, ge=0, lt=1)
    """Share of a label that is spread over all, of the contrastive loss and of the captions' tokens."""
    features: Annotated[Literal["auto", "each_step"], WEIGHTS] = "auto"
    """auto: the encoder's features are kept in the host's memory where they fit into cache_mb, so that each rank
    encodes a picture once."""
    cache_mb: Annotated[int, WEIGHTS] = Field(default=4096, ge=1)
    """Memory of a rank for features, or else for decoded pictures, in MB."""

    @model_validator(mode="after")
    def _check_reading(self) -> QFormerConfig:
        require_together(self)
        if self.model.text_len < 3:
            wanted = f"at least {self.model.eyes.join.queries + 3}: the queries, and a caption with its two ends"
            raise ConfigError("model.seq_len", self.model.seq_len, wanted)
        absent: dict[str, Any] = {
            **{"mixture": self.mixture, "init_from": self.init_from, "layer_stats_every": self.layer_stats_every},
            **{"model.moe": self.model.moe, "model.lora": self.model.lora},
            "continue_with": self.continue_with if self.continue_with == "weights" else None,
        }
        require_absent(self.stage, absent)
        return self

    @property
    def scheme(self) -> Fixed:
        """The plan of a picture: one square."""
        return Fixed(encoder=self.model.eyes.encoder.squares, fit=self.model.eyes.fit)

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the one step. It reads the encoder too."""
        found = super().plan(inputs)
        (training,) = found.steps
        return replace(found, steps=(replace(training, reads=(*training.reads, "encoder_from")),))

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return time and memory of the training, encoder and Q-Former by part.

        Attention is counted twice: with the text side, and with the Q-Former, whose it is.
        """
        found = super().forecast(step, inputs, machine, done)
        if found is None:
            return None
        training = self.planned(inputs)
        work, rows = training.work, self.microbatch
        eyes = planned_sense(self.model, self.model.eyes, ("join",), work, microbatch=rows, units=1)
        return with_sense(found, self.model, eyes, work, training.layout, machine)

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise DataError for an encoder that is another one."""
        super().inspect(inputs)
        for file in inputs.get("encoder_from", ()):
            if not file.section:
                path = file.path / CONFIG_JSON
                require_same_encoder(path, self.model.eyes.encoder, from_vision_json(read_config(path), path))

    def _readings(self, _inputs: Mapping[str, tuple[InputFile, ...]]) -> list[Reading]:
        """Return nothing: pictures are no tokens."""
        return []


Config = QFormerConfig
