"""Settings of the sample web: how large the closed world's crawl is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, model_validator

from stages.shared.contract import InputFile, Output, StageConfig, StagePlan, Step
from stages.shared.errors import ConfigError

DumpName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class SampleConfig(StageConfig):
    """A deterministic stand-in for Common Crawl: two dumps of a small closed world, as real WARC files."""

    stage: ClassVar[str] = "sample"

    seed: int = Field(default=1, ge=0)
    """Draws the world and its pages; another seed is another world."""
    pages: int = Field(default=2_400, ge=200, le=1_000_000)
    """Pages of both dumps together. About three fifths of them are good articles."""
    dumps: tuple[DumpName, DumpName] = ("sample-2024-10", "sample-2025-05")
    """Names of the two dumps. The second has pages of the first again."""
    files_per_dump: int = Field(default=2, ge=1)
    """WARC files of a dump; each is one shard."""

    @model_validator(mode="after")
    def _fits(self) -> SampleConfig:
        if self.dumps[0] == self.dumps[1]:
            raise ConfigError("sample.dumps", self.dumps, "two different names")
        if self.pages < 2 * self.files_per_dump:
            raise ConfigError("sample.files_per_dump", self.files_per_dump, "at least one page for each file")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step with a shard per WARC file; the first shard also writes the facts."""
        shards = 2 * self.files_per_dump
        mb = self.pages / shards * 0.0025
        step = Step(
            name="",
            run="stages.sample.generate:run",
            shards=shards,
            uses=("seed", "pages", "dumps", "files_per_dump"),
            core_seconds=1.0 + self.pages / shards / 5_000,
            disk_mb=mb,
        )
        outputs = [
            Output(step="", shard=shard, name=name, kind=kind, source=self.dump_of(shard), mb=size)
            for shard in range(shards)
            for kind, name, size in (("warc", self.file_name(shard), mb), ("key", "key.jsonl", mb / 10))
        ]
        facts = Output(step="", shard=0, name="facts.jsonl", kind="facts", source="sample")
        return StagePlan(steps=(step,), outputs=(*outputs, facts))

    def dump_of(self, shard: int) -> str:
        """Return the name of the dump that a shard belongs to."""
        return self.dumps[shard // self.files_per_dump]

    def file_name(self, shard: int) -> str:
        """Return the name of a shard's WARC file, such as `sample-2024-10-00000.warc.gz`."""
        return f"{self.dump_of(shard)}-{shard % self.files_per_dump:05d}.warc.gz"

    def pages_of(self, shard: int) -> range:
        """Return the numbers of the pages in a shard: page numbers run through all shards in order."""
        shards = 2 * self.files_per_dump
        return range(self.pages * shard // shards, self.pages * (shard + 1) // shards)


Config = SampleConfig
