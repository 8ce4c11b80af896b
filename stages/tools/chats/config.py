"""Settings of `tools.chats`: questions about APIs become chats, with and without retrieved documents.

A unit is a file of questions and a retriever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    InputFile,
    Inputs,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)

Retriever = Literal["none", "bm25", "oracle"]


class ChatsConfig(StageConfig):
    """Makes chats of questions about APIs."""

    stage: ClassVar[str] = "tools.chats"

    questions: Annotated[Inputs, Reads(KINDS.api_questions)]
    """Questions of training or of evaluation: both get their documents by the same code."""
    apis: Annotated[Inputs, Reads(KINDS.apis)]
    """APIs whose documents are searched."""
    retrievers: tuple[Retriever, ...] = Field(default=("none", "bm25", "oracle"), min_length=1)
    """`none`: the question alone. `bm25`: with the documents that BM25 finds. `oracle`: with the right document; where
    no API serves the request, with BM25's best."""
    documents: Annotated[int, Ge(1)] = 1
    """Documents that `bm25` adds to a question."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step."""
        files = inputs.get("questions", ())
        pairs = [(file, retriever) for file in files for retriever in dict.fromkeys(self.retrievers)]
        keys = unique_keys(f"{file_key(file)}/{retriever}" for file, retriever in pairs)
        step = Step(
            name="",
            run="stages.tools.chats.run:write",
            units=tuple(
                Unit(
                    key=key,
                    inputs={"questions": (file,)},
                    uses=("documents",) if retriever == "bm25" else (),
                )
                for key, (file, retriever) in zip(keys, pairs, strict=True)
            ),
            uses=(),
            reads=("questions", "apis"),
            shape="small",
            core_seconds=10.0,
        )
        outputs = [
            Output(step="", unit=key, kind=KINDS.chats, source=f"{file.source}/{retriever}".strip("/"))
            for key, (file, retriever) in zip(keys, pairs, strict=True)
        ]
        return StagePlan(steps=(step,), outputs=tuple(outputs))


Config = ChatsConfig
