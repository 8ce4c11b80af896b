"""Settings of `decontaminate`: removes from documents what evaluations ask. A unit is a file of documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    WHOLE,
    After,
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
from stages.shared.errors import ConfigError

INDEX, REMOVE, SUMS = "index", "remove", "sums"
"""The steps."""


class DecontaminateConfig(StageConfig):
    """Finds n-grams that documents share with items of evaluations, as GPT-3 did (arXiv:2005.14165, appendix C)."""

    stage: ClassVar[str] = "decontaminate"

    documents: Annotated[Inputs, Reads(KINDS.documents)]
    """Documents to search."""
    items: Annotated[Inputs, Reads(KINDS.items)]
    """Items of evaluations: of `evaluate.items`, or JSONL of {task, item, text}."""
    remove: Literal["document", "passage", "nothing"] = "document"
    """What is removed: each document with a passage of an item, these passages, or nothing, to count them."""
    words: int = Field(default=13, ge=3, le=100)
    """Words of an n-gram. GPT-3: 13."""
    characters: int = Field(default=13, ge=3, le=200)
    """Characters of an n-gram in scripts without spaces, such as Chinese."""
    least: int = Field(default=8, ge=3)
    """An item of fewer words than an n-gram is looked for as a whole if it has so many. Shorter ones are counted."""
    most_items: int = Field(default=10, ge=1)
    """An n-gram of more items is part of a form, such as an instruction, and is not looked for."""
    margin_chars: int = Field(default=200, ge=0)
    """Characters removed on both sides of a passage. GPT-3: 200."""
    max_pieces: int = Field(default=10, ge=1)
    """A document that passages cut into more pieces is removed whole. GPT-3: 10."""
    min_chars: int = Field(default=200, ge=0)
    """A piece of fewer characters is removed, too. GPT-3: 200."""
    rejects_per_reason: int = Field(default=20, ge=0)
    """Removed documents that each unit keeps for reading."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps: one index, a unit for each file of documents, and the sums."""
        files, items = inputs.get("documents", ()), inputs.get("items", ())
        if not items:
            raise ConfigError("items", self.items, "at least one file of items (for example from:items)")
        mb = sum(file.mb for file in files) / max(1, len(files))
        keys = unique_keys(file_key(file) for file in files)
        index = Step(
            name=INDEX,
            run="stages.decontaminate.run:index",
            units=WHOLE,
            uses=("words", "characters", "least", "most_items"),
            reads=("items",),
            shape="small",
            core_seconds=10.0,
            disk_mb=100.0,
        )
        remove = Step(
            name=REMOVE,
            run="stages.decontaminate.run:remove",
            units=tuple(Unit(key=key, inputs={"documents": (file,)}) for key, file in zip(keys, files, strict=True)),
            uses=("remove", "margin_chars", "max_pieces", "min_chars", "rejects_per_reason"),
            reads=("documents",),
            after=(After(INDEX),),
            core_seconds=5.0 + 0.3 * mb,
            disk_mb=mb,
            mem_mb=700,
        )
        sums = Step(
            name=SUMS,
            run="stages.decontaminate.run:sums",
            units=WHOLE,
            uses=("remove",),
            reads=("documents",),
            after=(After(INDEX), After(REMOVE)),
            shape="small",
            core_seconds=5.0,
        )
        outputs = [
            Output(step=REMOVE, unit=key, kind=kind, source=file.source, mb=file.mb if kind == KINDS.documents else 0.0)
            for kind in (KINDS.documents, KINDS.funnel, KINDS.rejects, KINDS.overlaps)
            for key, file in zip(keys, files, strict=True)
        ]
        outputs.append(Output(step=SUMS, unit=WHOLE[0].key, kind=KINDS.contamination, source=""))
        return StagePlan(steps=(index, remove, sums), outputs=tuple(outputs))


Config = DecontaminateConfig
