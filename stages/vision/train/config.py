"""Settings of `vision.train`: named parts of a model that sees learn chats with pictures."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from stages.chats.sensing import SensingStage
from stages.formats.kinds import KINDS
from stages.shared.contract import Inputs, Reads


class VisionTrainConfig(SensingStage):
    """Joins an encoder to a decoder, and teaches both to answer about pictures."""

    stage: ClassVar[str] = "vision.train"
    version: ClassVar[int] = 1
    run: ClassVar[str] = "stages.vision.train.run:train"
    looked_up: ClassVar[tuple[str, ...]] = ("pictures",)
    encode_uses: ClassVar[tuple[str, ...]] = ("model.eyes",)
    sense: ClassVar[Literal["eyes", "ears"] | None] = "eyes"
    perceives: ClassVar[Literal["picture", "audio"]] = "picture"

    pictures: Annotated[Inputs, Reads(KINDS.pictures)]
    """Collections with the pictures that the chats name."""
    encoder_from: Annotated[Inputs | None, Reads(KINDS.encoder)] = None
    """A folder with the encoder, as transformers saves CLIP, SigLIP or LLaVA, or `from:` a contrastive training; None:
    that of `continue_from`, else drawn from the seed."""


Config = VisionTrainConfig
