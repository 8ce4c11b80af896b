"""Settings of `vision.contrastive`: an encoder learns to see from pictures and captions, for those who have none.

train (once, on all ranks of the layout) -> encoder (once)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.formats.readings import Reading
from stages.model.config import ModelConfig
from stages.model.huggingface.config import CONFIG_JSON, read_config
from stages.model.huggingface.vision.config import from_vision_json, require_same_encoder
from stages.model.vision.config import VisionConfig
from stages.pictures.plan import Fixed
from stages.shared.contract import WHOLE, After, Forecast, InputFile, Inputs, Output, Reads, StagePlan, Step
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.train.config import LLAMA_PIECES, WEIGHTS
from stages.train.stage import TrainingStage
from stages.train.together import require_absent, require_together

BYTES_A_WEIGHT = 16
"""Of float32 weight, gradient and AdamW's two moments."""
TRAIN, ENCODER = "train", "encoder"
"""The steps."""
_TEXT = ModelConfig(num_layers=2, dim=128, num_heads=4, seq_len=48, head="none")


class ContrastiveConfig(TrainingStage):
    """Trains a vision encoder and a decoder of text to give a picture and its caption the same direction."""

    stage: ClassVar[str] = "vision.contrastive"
    data: ClassVar[str] = "pictures"
    run: ClassVar[str] = "stages.vision.contrastive.run:train"
    starts: ClassVar[tuple[str, ...]] = (*TrainingStage.starts, "encoder_from")

    pictures: Annotated[Inputs, Reads(KINDS.pictures)]
    """Collections of pictures. Those without a caption are not trained on."""
    encoder_from: Annotated[Inputs | None, Reads(KINDS.encoder)] = None
    """A CLIP or SigLIP folder, or `from:` a section that trained one, to start from its encoder's weights; None: drawn
    from the seed."""
    encoder: Annotated[VisionConfig, WEIGHTS] = VisionConfig()
    """The encoder. All of its layers are trained, whatever `layer` its features are taken from later."""
    model: Annotated[ModelConfig, WEIGHTS] = _TEXT
    """The decoder that reads captions, up to seq_len tokens of them; it is of no further use."""
    fit: Annotated[Literal["crop", "pad", "stretch"], WEIGHTS] = "pad"
    """How a picture becomes a square: its middle, all of it on the mean colour, or distorted."""
    projection: Annotated[int, WEIGHTS] = Field(default=128, ge=1)
    """Width of the space in which pictures and captions are compared."""
    temperature: Annotated[float, WEIGHTS] = Field(default=0.07, gt=0)
    """Temperature of the similarities at the start; it is learned (arXiv:2103.00020, section 2.5)."""

    @model_validator(mode="after")
    def _check_contrast(self) -> ContrastiveConfig:
        if self.model.head != "none" or self.model.position == "glm":
            wanted = "none, and a position that is not glm: a caption is read at its last token"
            raise ConfigError("model.head", self.model.head, wanted)
        require_together(self)
        if self.model.eyes is not None:
            raise ConfigError("model.eyes", self.model.eyes.model_dump(), "absent: `encoder` is what sees")
        self._check_absent()
        return self

    def _check_absent(self) -> None:
        absent: dict[str, Any] = {
            "mixture": self.mixture,
            "init_from": self.init_from,
            "layer_stats_every": self.layer_stats_every,
            "continue_with": self.continue_with if self.continue_with == "weights" else None,
        }
        require_absent(self.stage, absent)

    @property
    def scheme(self) -> Fixed:
        """The plan of a picture: one square."""
        return Fixed(encoder=self.encoder.squares, fit=self.fit)

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the two steps. The last one writes the encoder as a folder that transformers loads."""
        made = super().plan(inputs)
        (training,) = made.steps
        given = ("encoder_from",) if self.encoder_from is not None else ()
        whole = self.encoder.whole
        training = replace(
            training,
            name=TRAIN,
            reads=(*training.reads, *given),
            core_seconds=training.core_seconds * (1 + self._encoder_share(inputs)),
            mem_mb=training.mem_mb + BYTES_A_WEIGHT * whole.num_parameters / 1e6,
        )
        written = Step(
            name=ENCODER,
            run="stages.vision.contrastive.run:write",
            units=WHOLE,
            uses=("encoder",),
            reads=(),
            after=(After(TRAIN),),
            shape="small",
            core_seconds=30.0,
            disk_mb=4e-6 * whole.num_parameters + 1,
            mem_mb=1_000 + 8e-6 * whole.num_parameters,
        )
        outputs = [replace(each, step=TRAIN) for each in made.outputs]
        encoder = Output(step=ENCODER, unit=WHOLE[0].key, kind=KINDS.encoder, source=ENCODER)
        return StagePlan(steps=(training, written), outputs=(*outputs, encoder))

    def _encoder_share(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> float:
        """Return the encoder's arithmetic of a pair as a multiple of the text decoder's.

        It is weights times features, against weights times tokens.
        """
        pieces = next((file.count for file in inputs.get("tokenizer", ())), 0)
        text = self.model.num_parameters(self.model.num_rows(pieces or LLAMA_PIECES)) * self.model.seq_len
        return self.encoder.whole.num_parameters * self.encoder.whole.num_features / text

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return time and memory of the training: see TrainingStage. They are the text decoder's; a row has the
        encoder's share.
        """
        found = super().forecast(step, inputs, machine, done) if step == TRAIN else None
        count, share = self.encoder.whole.num_parameters, self._encoder_share(inputs)
        features = self.encoder.whole.num_features
        text = f"{count:,} parameters, {features} features a picture: {share:.1f} times the text's time on top"
        return found and replace(found, rows=(*found.rows, ("encoder", text)))

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise DataError for an encoder to start from that is another one."""
        super().inspect(inputs)
        for file in inputs.get("encoder_from", ()):
            if not file.section:
                path = file.path / CONFIG_JSON
                require_same_encoder(path, self.encoder, from_vision_json(read_config(path), path))

    def _readings(self, _inputs: Mapping[str, tuple[InputFile, ...]]) -> list[Reading]:
        """Return nothing: pictures are no tokens."""
        return []


Config = ContrastiveConfig
