"""Settings of `tokenizer`: trains one vocabulary on documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step
from stages.shared.errors import ConfigError


class TokenizerConfig(StageConfig):
    """Trains a vocabulary like LLaMA's (arXiv:2302.13971, section 2.1): SentencePiece BPE with byte fallback."""

    stage: ClassVar[str] = "tokenizer"

    documents: Annotated[Inputs, Reads(KINDS.documents)]
    """Documents to train on."""
    vocab_size: int = Field(default=32_000, ge=260)
    """Pieces, 3 special ones and 256 bytes included. LLaMA: 32,000."""
    character_coverage: float = Field(default=0.99995, gt=0, le=1)
    """Share of the text's characters with a piece of their own; the others are spelled in bytes. LLaMA: 0.99995."""
    max_lines: int = Field(default=10_000_000, ge=1)
    """Lines to train on, at most; sampled if the documents have more. Memory: about 200 bytes a line of prose."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampling of lines; no effect if all lines are used."""

    @model_validator(mode="after")
    def _check(self) -> TokenizerConfig:
        if self.vocab_size > 1_000_000:
            raise ConfigError("vocab_size", self.vocab_size, "at most 1000000 pieces (for example 32000)")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit: byte-pair merges are counted over the whole text."""
        mb = sum(file.mb for file in inputs.get("documents", ()))
        step = Step(
            name="",
            run="stages.tokenizer.run:run",
            units=WHOLE,
            uses=("vocab_size", "character_coverage", "max_lines", "seed"),
            reads=("documents",),
            core_seconds=5.0 + 0.5 * mb,
            disk_mb=1.0,
        )
        model = Output(step="", unit=WHOLE[0].key, kind=KINDS.tokenizer, source="", count=self.vocab_size)
        return StagePlan(steps=(step,), outputs=(model,))


Config = TokenizerConfig
