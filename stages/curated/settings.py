"""Settings that all curated sources share, and the plan of their steps. Light.

read (a unit a file) -> [duplicates (one unit) -> documents (units of read)]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    SAME,
    WHOLE,
    After,
    InputFile,
    Output,
    Section,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)
from stages.shared.errors import ConfigError
from stages.text.settings import LanguageSettings

START_S = 3.0
"""Start of a process: Python, libraries, compiled functions."""
COMPARE_S = 2e-5
"""Core-seconds to compare a document with all others."""


class DistinctSettings(Section):
    """Which documents count as the same. Of those the first in the order of the inputs stays."""

    exact: bool = True
    """Drop documents that are word for word another one; white space does not count."""
    near: Literal["none", "minhash", "overlap"] = "minhash"
    """minhash: drop documents most of whose word n-grams another one has too. overlap: drop the shorter of two if more
    than max_overlap of it stands in the longer one, as LLaMA does with books."""
    ngram: Annotated[int, Ge(1), Le(100)] = 5
    """Words of an n-gram."""
    buckets: Annotated[int, Ge(1), Le(1000)] = 14
    """Buckets of minhash."""
    hashes_per_bucket: Annotated[int, Ge(1), Le(100)] = 8
    """Hash functions of a bucket: 14 x 8 finds nine of ten pairs whose n-grams agree by four fifths (FineWeb)."""
    max_overlap: Annotated[float, Gt(0), Le(1)] = 0.9
    """Largest share of a document that may stand in another one."""
    sampled: Annotated[int, Ge(1), Le(10_000)] = 32
    """One of so many n-grams is compared by overlap, chosen by its hash. A book of 50,000 words has 1,500 of them."""

    @property
    def is_on(self) -> bool:
        """Whether documents are compared at all."""
        return self.exact or self.near != "none"


class CuratedSettings(StageConfig):
    """What all curated sources share."""

    rejects_per_reason: Annotated[int, Ge(0)] = 20
    """Dropped items kept for reading, per reason and unit."""
    min_chars: Annotated[int, Ge(1)] = 1
    """Fewest characters of a document; shorter ones are dropped as `too_short`."""
    language: LanguageSettings = Field(default=LanguageSettings(languages=None, min_score=0.0))
    """Languages to keep. A source that names the language of its texts (a dump of Wikipedia) is believed; fastText
    labels all others. As a rule every language stays."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Cost and settings of the step that reads a source."""

    run: str
    """`package.module:function`."""
    uses: tuple[str, ...]
    """Settings that change its bytes, besides those of all sources."""
    mb_s: float
    """MB of input a core-second."""
    text_ratio: float
    """MB of compressed text for each MB of input."""
    version: int = 1
    mem_mb: float = 400
    suffixes: tuple[str, ...] = ()
    """Ends of file names; empty: every name."""


def plan_source(
    config: CuratedSettings, files: tuple[InputFile, ...], reading: Reading, distinct: tuple[str, ...] = ()
) -> StagePlan:
    """Return the steps of a source; `distinct` are the settings by which its documents are compared, if they are.

    Raises ConfigError without files, and for a file of another suffix.
    """
    if not files:
        raise ConfigError("files", None, "at least one file")
    for file in files:
        if reading.suffixes and not file.path.name.lower().endswith(reading.suffixes):
            raise ConfigError("files", file.where, f"files of {', '.join(reading.suffixes)}")
    units = tuple(
        Unit(key=key, inputs={"files": (file,)}, core_seconds=START_S + file.mb / reading.mb_s)
        for key, file in zip(unique_keys(map(file_key, files)), files, strict=True)
    )
    return plan_units(config, units, reading, distinct)


def plan_units(
    config: CuratedSettings, units: tuple[Unit, ...], reading: Reading, distinct: tuple[str, ...] = ()
) -> StagePlan:
    """Return the steps over the units of a source."""
    mb = max(file.mb for unit in units for file in unit.inputs["files"]) * reading.text_ratio
    read = Step(
        name="read",
        run=reading.run,
        units=units,
        uses=("rejects_per_reason", "min_chars", "language", *reading.uses, *distinct),
        reads=("files",),
        version=reading.version,
        disk_mb=mb,
        mem_mb=reading.mem_mb,
    )
    if not distinct:
        return StagePlan(steps=(read,), outputs=_outputs("read", units, mb))
    documents = sum(file.mb for unit in units for file in unit.inputs["files"]) * 1e3
    duplicates = Step(
        name="duplicates",
        run="stages.curated.distinct.duplicates:run",
        units=WHOLE,
        uses=distinct,
        after=(After("read"),),
        core_seconds=START_S + documents * COMPARE_S,
        mem_mb=500 + documents * 2e-3,
    )
    kept = Step(
        name="documents",
        run="stages.curated.distinct.documents:run",
        units=tuple(Unit(key=unit.key) for unit in units),
        uses=("rejects_per_reason", *distinct),
        after=(After("read", SAME), After("duplicates")),
        core_seconds=START_S + mb * 0.1,
        disk_mb=mb,
        mem_mb=300,
    )
    return StagePlan(steps=(read, duplicates, kept), outputs=_outputs("documents", units, mb))


def _outputs(step: str, units: tuple[Unit, ...], mb: float) -> tuple[Output, ...]:
    kinds = ((KINDS.documents, mb), (KINDS.funnel, 0.0), (KINDS.rejects, 0.0), (KINDS.tables, 0.0))
    return tuple(
        Output(step=step, unit=unit.key, kind=kind, source=unit.inputs["files"][0].source, mb=size)
        for kind, size in kinds
        for unit in units
    )


def files_of(inputs: Mapping[str, Any]) -> tuple[InputFile, ...]:
    """Return the files of the input field `files`."""
    return tuple(inputs.get("files", ()))
