"""Settings of `tokenizer.compare`: how well tokenizers compress the same documents, by language and source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step
from stages.shared.errors import ConfigError


class CompareConfig(StageConfig):
    """Counts bytes a token, tokens a word and unused pieces of tokenizers, on the same documents."""

    stage: ClassVar[str] = "tokenizer.compare"

    tokenizers: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """Tokenizers by name, the old one first: `{old: /data/llama/tokenizer.model, new: "from:merged"}`."""
    documents: Annotated[Inputs, Reads(KINDS.documents)]
    """Documents to encode. A mapping names sources."""
    max_documents: int = Field(default=10_000, ge=1)
    """Documents of each source, at most: the first of each file in turn."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit. Raises ConfigError unless each tokenizer has a name of its own."""
        names = [file.source for file in inputs.get("tokenizers", ())]
        if not names or len(set(names)) < len(names) or not all(names):
            wanted = "a mapping with a name for each (for example {old: old.model, new: from:tokenizer})"
            raise ConfigError("tokenizers", self.tokenizers, wanted)
        mb = sum(file.mb for file in inputs.get("documents", ()))
        step = Step(
            name="",
            run="stages.tokenizer.compare.run:run",
            units=WHOLE,
            uses=("max_documents",),
            reads=("tokenizers", "documents"),
            shape="small",
            core_seconds=5.0 + len(names) * min(mb, 100.0),
        )
        output = Output(step="", unit=WHOLE[0].key, kind=KINDS.compression, source="")
        return StagePlan(steps=(step,), outputs=(output,))


Config = CompareConfig
