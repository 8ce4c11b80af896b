"""Settings of `curated.documents`: ready-made sets of texts in rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Le
from pydantic import Field

from stages.curated.settings import CuratedSettings, DistinctSettings, Reading, files_of, plan_source
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Reads, Section, StagePlan
from stages.text.settings import C4Settings, QualitySettings, RepetitionSettings

SUFFIXES = (
    ".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.bz2", ".jsonl.xz", ".json.gz", ".json", ".json.zst", ".parquet",
    ".arrow", ".txt.gz",
)  # fmt: skip
Preset = Literal["plain", "oscar", "c4", "pile", "fineweb", "redpajama", "the_stack"]


class Columns(Section):
    """Columns of a row; dots lead into nested values, such as `meta.pile_set_name`."""

    text: str = "text"
    id: str | None = None
    url: str | None = None
    language: str | None = None
    score: str | None = None
    """Score of the language."""
    source: str | None = None
    """Name of the set that a row comes from, where a file mixes several."""
    date: str | None = None
    licence: str | None = None


PRESETS: Mapping[Preset, Columns] = {
    "plain": Columns(id="id", url="url"),
    "oscar": Columns(
        text="content",
        url="warc_headers.warc-target-uri",
        id="warc_headers.warc-record-id",
        language="metadata.identification.label",
        score="metadata.identification.prob",
        date="warc_headers.warc-date",
    ),
    "c4": Columns(url="url", date="timestamp"),
    "pile": Columns(source="meta.pile_set_name"),
    "fineweb": Columns(id="id", url="url", language="language", score="language_score", date="date"),
    "redpajama": Columns(url="meta.url", language="meta.language", source="meta.source", date="meta.timestamp"),
    "the_stack": Columns(text="content", id="hexsha", language="lang", licence="max_stars_repo_licenses"),
}
"""Columns of well-known sets: OSCAR 22.01 to 23.01, C4 (allenai/c4), The Pile, FineWeb, RedPajama-Data-1T."""


class DocumentsConfig(CuratedSettings):
    """Reads texts in rows."""

    stage: ClassVar[str] = "curated.documents"

    files: Annotated[Inputs, Reads(KINDS.rows)]
    """JSON lines (plain, `.gz`, `.zst`, `.bz2`, `.xz`), Parquet or Arrow."""
    preset: Preset = "plain"
    """Columns of a well-known set."""
    columns: dict[str, str | None] = Field(default={})
    """Columns that differ from the preset's, such as `{text: body, id: null}`."""
    max_row_mb: Annotated[float, Gt(0), Le(1000)] = 32
    """Longest line of JSON in MB; longer ones are dropped."""
    c4: C4Settings | None = None
    """C4's rules; null: off."""
    repetition: RepetitionSettings | None = None
    """Gopher's rules of repetition; null: off."""
    quality: QualitySettings | None = None
    """Gopher's rules of quality; null: off."""
    distinct: DistinctSettings = Field(default=DistinctSettings(exact=False, near="none"))
    """Which documents count as the same; ready-made sets are compared already."""

    @property
    def used_columns(self) -> Columns:
        """Columns of the preset with those of the settings."""
        return Columns.model_validate({**PRESETS[self.preset].model_dump(), **self.columns})

    def model_post_init(self, context: Any) -> None:
        """Raise ConfigError for columns that no row has."""
        self.used_columns  # noqa: B018  (an unknown name is an error of the recipe)

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps."""
        uses = ("preset", "columns", "max_row_mb", "c4", "repetition", "quality")
        reading = Reading(
            run="stages.curated.documents.run:read", uses=uses, mb_s=10.0, text_ratio=0.7, suffixes=SUFFIXES
        )
        return plan_source(self, files_of(inputs), reading, ("distinct",) if self.distinct.is_on else ())


Config = DocumentsConfig
