"""Settings of `tokenizer`: trains one vocabulary on documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step
from stages.shared.errors import ConfigError


class TokenizerConfig(StageConfig):
    """Trains a vocabulary with SentencePiece. The defaults are LLaMA's (arXiv:2302.13971, section 2.1)."""

    stage: ClassVar[str] = "tokenizer"

    documents: Annotated[Inputs, Reads(KINDS.documents)]
    """Documents to train on."""
    model: Literal["bpe", "unigram"] = "bpe"
    """bpe: pairs are merged, as in LLaMA's. unigram: the likeliest pieces, as in T5's (arXiv:1804.10959)."""
    vocab_size: int = Field(default=32_000, ge=260)
    """Pieces, 3 special ones and 256 bytes included. LLaMA: 32,000."""
    character_coverage: float = Field(default=0.99995, gt=0, le=1)
    """Share of the text's characters with a piece of their own; the others are spelled in bytes. LLaMA: 0.99995."""
    split_digits: bool = True
    """Whether each digit is a piece, as in LLaMA's."""
    normalization: Literal["identity", "nfkc", "nmt_nfkc", "nfkc_cf"] = "identity"
    """SentencePiece's normalisation of texts, which no decoding reverts. identity: none, as in LLaMA's."""
    whitespace_runs: int = Field(default=0, ge=0, le=64)
    """Spaces of the longest run that has a piece of its own, for code: each run of 2 spaces and more has one, in place
    of the rarest pieces. GPT-NeoX: 24 (arXiv:2204.06745, section 2.3). 0: the runs that the text makes. BPE alone."""
    whitespace_only_pieces: bool = True
    """Whether spaces alone may be a piece, as in LLaMA's: `▁▁`."""
    mixture: dict[str, float] | None = None
    """Share of the lines by source name, relative to one another, drawn by the seed; null: all lines count the same."""
    max_lines: int = Field(default=10_000_000, ge=1)
    """Lines to train on, at most; sampled if the documents have more. Memory: about 200 bytes a line of prose."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampling of lines; no effect if all lines are used."""

    @model_validator(mode="after")
    def _check(self) -> TokenizerConfig:
        if self.vocab_size > 1_000_000:
            raise ConfigError("vocab_size", self.vocab_size, "at most 1000000 pieces (for example 32000)")
        if self.whitespace_runs and not self.whitespace_only_pieces:
            raise ConfigError("whitespace_runs", self.whitespace_runs, "0 where whitespace_only_pieces is false")
        if self.whitespace_runs and self.model != "bpe":
            raise ConfigError("whitespace_runs", self.whitespace_runs, "0 for unigrams")
        for source, weight in (self.mixture or {}).items():
            if not weight > 0:
                raise ConfigError(f"mixture.{source}", weight, "a weight above 0")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit: byte-pair merges are counted over the whole text."""
        files = inputs.get("documents", ())
        mb = sum(file.mb for file in files)
        if self.mixture is not None and (odd := {file.source for file in files} ^ self.mixture.keys()):
            raise ConfigError("mixture", self.mixture, f"a weight for each source of `documents`; see {sorted(odd)}")
        step = Step(
            name="",
            run="stages.tokenizer.run:run",
            units=WHOLE,
            uses=("vocab_size", "character_coverage", "max_lines", "seed", *self._changed()),
            reads=("documents",),
            core_seconds=5.0 + 0.5 * mb,
            disk_mb=1.0,
        )
        model = Output(step="", unit=WHOLE[0].key, kind=KINDS.tokenizer, source="", count=self.vocab_size)
        return StagePlan(steps=(step,), outputs=(model,))

    def _changed(self) -> list[str]:
        """Return the settings that are not LLaMA's: a tokenizer of LLaMA's has one identity."""
        like: dict[str, Any] = {
            name: TokenizerConfig.model_fields[name].default
            for name in (
                "model",
                "split_digits",
                "normalization",
                "whitespace_runs",
                "whitespace_only_pieces",
                "mixture",
            )
        }
        return [name for name, value in like.items() if getattr(self, name) != value]


Config = TokenizerConfig
