"""Settings of the tokens stage: documents and a tokenizer in, Megatron's indexed dataset out, one a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import quote

from pydantic import Field

from stages.shared.contract import InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step

HELDOUT = "heldout.jsonl.zst"
COUNTS = "token_counts.json"
"""Name in the shard; stages.formats.token_counts owns the format."""


class TokensConfig(StageConfig):
    """Encodes documents and sets some of them aside."""

    stage: ClassVar[str] = "tokens"

    documents: Annotated[Inputs, Reads("documents")]
    """Documents to encode."""
    tokenizer: Annotated[Inputs, Reads("tokenizer")]
    """Tokenizer to encode them with."""
    heldout: float = Field(0.01, ge=0, lt=1)
    """Share of the documents kept for evaluation instead, chosen by a hash of their id, so the same in any sharding."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return an array that encodes each file, and a step that joins the parts of each source."""
        files = inputs.get("documents", ())
        mb = sum(file.mb for file in files)
        encode = Step(
            name="encode",
            run="stages.tokens.encode:run",
            shards=len(files),
            uses=("heldout",),
            reads=("documents", "tokenizer"),
            core_seconds=5.0 + mb / max(1, len(files)),  # 3 MB of text to a compressed one, a million tokens a second
            disk_mb=1.5 * mb / max(1, len(files)),
        )
        merge = Step(
            name="merge",
            run="stages.tokens.merge:run",
            shards=1,
            uses=(),
            reads=("documents",),
            after=("encode",),
            core_seconds=5.0 + 0.01 * mb,
            disk_mb=1.5 * mb,
        )
        sizes: dict[str, float] = {}
        for file in files:
            sizes[file.source] = sizes.get(file.source, 0.0) + 1.5 * file.mb
        outputs = [
            Output("merge", 0, dataset_name(source), "tokens", source, mb=round(size, 3))
            for source, size in sizes.items()
        ]
        outputs.append(Output("merge", 0, HELDOUT, "heldout", ""))
        outputs.append(Output("merge", 0, COUNTS, "token_counts", ""))
        return StagePlan(steps=(encode, merge), outputs=tuple(outputs))


def dataset_name(source: str) -> str:
    """Return the `.bin` file of a source; its `.idx` lies beside it. Any source name is a safe file name."""
    return f"tokens-{quote(source, safe='')}.bin"


Config = TokensConfig
