"""Settings of `tokens`: encodes documents as Megatron's indexed datasets, one for each source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import quote

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    WHOLE,
    After,
    InputFile,
    Inputs,
    Kind,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)


class TokensConfig(StageConfig):
    """Encodes documents and holds some of them out for evaluation."""

    stage: ClassVar[str] = "tokens"

    documents: Annotated[Inputs, Reads(KINDS.documents)]
    """Documents to encode."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """Tokenizer of the encoding."""
    heldout: float = Field(default=0.01, ge=0, lt=1)
    """Share of the documents held out for evaluation. A hash of the id selects them, so they are the same in any split
    into files."""

    shuffle: int | None = Field(default=None, ge=0)
    """Seed of an order of each source's documents; null: as they come. A training has its own order in each epoch: this
    is for readers that have none. Bytes depend on the order of the files, not on their division."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return a step that encodes each file, and a step that joins the parts of each source."""
        files = inputs.get("documents", ())
        mb = sum(file.mb for file in files)
        keys = unique_keys(file_key(file) for file in files)
        encode = Step(
            name="encode",
            run="stages.tokens.encode:run",
            units=tuple(Unit(key=key, inputs={"documents": (file,)}) for key, file in zip(keys, files, strict=True)),
            uses=("heldout",),
            reads=("documents", "tokenizer"),
            core_seconds=5.0 + mb / max(1, len(files)),  # a compressed MB holds 3 MB of text; a million tokens a second
            disk_mb=1.5 * mb / max(1, len(files)),
        )
        merge = Step(
            name="merge",
            run="stages.tokens.merge:run",
            units=WHOLE,
            uses=() if self.shuffle is None else ("shuffle",),
            reads=("documents",),
            after=(After("encode"),),
            core_seconds=5.0 + 0.01 * mb,
            disk_mb=1.5 * mb,
        )
        sizes: dict[str, float] = {}
        for file in files:
            sizes[file.source] = sizes.get(file.source, 0.0) + 1.5 * file.mb
        outputs = [
            _merged(KINDS.tokens, source, dataset_name(source), round(size, 3)) for source, size in sizes.items()
        ]
        outputs += [_merged(KINDS.heldout), _merged(KINDS.token_counts)]
        return StagePlan(steps=(encode, merge), outputs=tuple(outputs))


def _merged(kind: Kind, source: str = "", name: str = "", mb: float = 0.0) -> Output:
    return Output(step="merge", unit=WHOLE[0].key, kind=kind, source=source, name=name, mb=mb)


def dataset_name(source: str) -> str:
    """Return the name of a source's `.bin` file; the `.idx` lies beside it. Safe for any source name."""
    return f"tokens-{quote(source, safe='')}.bin"


Config = TokensConfig
