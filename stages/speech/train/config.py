"""Settings of `speech.train`: named parts of a model that hears learn chats with sounds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from stages.chats.sensing import GIVEN, SensingStage
from stages.formats.kinds import KINDS
from stages.shared.contract import Inputs, Reads
from stages.shared.errors import ConfigError
from stages.train.config import WEIGHTS


class SpeechTrainConfig(SensingStage):
    """Joins a speech encoder to a decoder, and teaches both to write down speech and to answer it."""

    stage: ClassVar[str] = "speech.train"
    version: ClassVar[int] = 1
    run: ClassVar[str] = "stages.speech.train.run:train"
    looked_up: ClassVar[tuple[str, ...]] = ("sounds",)
    encode_uses: ClassVar[tuple[str, ...]] = ("model.ears",)
    sense: ClassVar[Literal["eyes", "ears"] | None] = "ears"
    perceives: ClassVar[Literal["picture", "audio"]] = "audio"
    loaded: ClassVar[tuple[str, ...]] = GIVEN

    ctc: Annotated[float, WEIGHTS] = Field(default=0.0, ge=0)
    """Weight of a token of a sound's transcript at the sound's own positions, by CTC (Graves et al., ICML 2006), beside
    1 of a learned token. An encoder from nothing learns by it (for example 0.3). A transcript needs at least as many
    positions as tokens, and one more for each token that follows itself."""
    sounds: Annotated[Inputs, Reads(KINDS.sounds)]
    """Collections with the sounds that the chats name."""
    encoder_from: Annotated[Inputs | None, Reads(KINDS.checkpoint)] = None
    """A checkpoint of this stage whose encoder is taken; None: that of `continue_from`, else drawn from the seed."""

    @model_validator(mode="after")
    def _check_ctc(self) -> SpeechTrainConfig:
        if self.ctc and self.noise:
            raise ConfigError("noise", self.noise, "0 with ctc")
        return self


Config = SpeechTrainConfig
