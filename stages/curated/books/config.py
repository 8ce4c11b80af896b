"""Settings of `curated.books`: books as text, HTML or EPUB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Gt, Le
from pydantic import Field

from stages.curated.settings import CuratedSettings, DistinctSettings, Reading, files_of, plan_source
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Reads, StagePlan

SUFFIXES = (".epub", ".txt", ".txt.gz", ".txt.zst", ".txt.bz2", ".htm", ".html", ".zip")


class BooksConfig(CuratedSettings):
    """Reads books."""

    stage: ClassVar[str] = "curated.books"

    files: Annotated[Inputs, Reads(KINDS.books)]
    """Books, a file each: `.epub`, `.txt` (plain or compressed), `.html`, or `.zip` with any of them."""
    max_book_mb: Annotated[float, Gt(0), Le(1000)] = 64
    """Largest book in MB, unpacked; larger ones are dropped."""
    distinct: DistinctSettings = Field(default=DistinctSettings(near="overlap", ngram=8))
    """Which books count as the same: LLaMA drops those with more than 90 % overlap (arXiv:2302.13971, section 2.1)."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps."""
        reading = Reading(
            run="stages.curated.books.run:read", uses=("max_book_mb",), mb_s=5.0, text_ratio=0.4, suffixes=SUFFIXES
        )
        return plan_source(self, files_of(inputs), reading, ("distinct",) if self.distinct.is_on else ())


Config = BooksConfig
