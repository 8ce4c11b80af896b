"""Settings of `card`: a page and a file for programs about a corpus. A unit counts one file of documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    WHOLE,
    After,
    InputFile,
    Inputs,
    Output,
    Reads,
    ReadsRun,
    Section,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)
from stages.shared.errors import ConfigError, nearest

COUNT = "count"
"""The step whose units count documents."""
READ = (KINDS.funnel, KINDS.contamination, KINDS.quality, KINDS.token_counts)
"""Kinds of file that a card sums up."""


class SourceNotes(Section):
    """What only people know of a source."""

    about: str = ""
    """The source in one sentence."""
    origin: str = ""
    """Where its documents come from: a URL, a dump, a contract."""
    licence: str = ""
    """Licence or terms of the source as a whole."""


class CardConfig(StageConfig):
    """Writes a data card, as datasheets ask for (arXiv:1803.09010)."""

    stage: ClassVar[str] = "card"

    documents: Annotated[Inputs, Reads(KINDS.documents)]
    """The corpus: the documents that a training reads."""
    of: Annotated[str | list[str], ReadsRun(READ)] = "run"
    """`run` for every section of the run, or the names of some: filters, contamination and tokens are theirs."""
    title: str = "A corpus"
    """Title of the page."""
    about: str = ""
    """What the corpus is for, in a sentence or two."""
    notes: dict[str, SourceNotes] = Field(default_factory=dict)
    """Notes by source name."""
    gaps: tuple[str, ...] = ()
    """Known gaps, beyond those that follow from the counts: what is missing, what is wrong, what was not looked at."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return a step that counts each file, and a step that writes the card. Raises ConfigError."""
        files = inputs.get("documents", ())
        names = list(dict.fromkeys(file.source for file in files))
        for name in self.notes:
            if name not in names:
                raise ConfigError(f"notes.{name}", "...", f"a source of `documents`; {nearest(name, names)}")
        keys = unique_keys(file_key(file) for file in files)
        count = Step(
            name=COUNT,
            run="stages.card.run:count",
            units=tuple(Unit(key=key, inputs={"documents": (file,)}) for key, file in zip(keys, files, strict=True)),
            uses=(),
            reads=("documents",),
            core_seconds=3.0 + 0.2 * sum(file.mb for file in files) / max(1, len(files)),
        )
        card = Step(
            name="card",
            run="stages.card.run:card",
            units=WHOLE,
            uses=("title", "about", "notes", "gaps"),
            reads=("documents", "of"),
            after=(After(COUNT),),
            shape="small",
            core_seconds=3.0,
        )
        outputs = tuple(
            Output(step="card", unit=WHOLE[0].key, kind=kind, source="") for kind in (KINDS.card, KINDS.card_page)
        )
        return StagePlan(steps=(count, card), outputs=outputs)


Config = CardConfig
