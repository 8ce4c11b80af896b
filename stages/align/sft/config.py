"""Settings of `align.sft`: a model learns the assistant's part of chats."""

from __future__ import annotations

from typing import ClassVar

from stages.chats.config import ChatStage


class AlignConfig(ChatStage):
    """Fine-tunes a decoder on the assistant's part of chats."""

    stage: ClassVar[str] = "align.sft"
    version: ClassVar[int] = 5
    run: ClassVar[str] = "stages.align.sft.run:sft"
    step: ClassVar[str] = "sft"


Config = AlignConfig
