"""Settings of `curated.wikipedia`: articles of MediaWiki XML dumps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from stages.curated.settings import CuratedSettings, Reading, files_of, plan_source, plan_units
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Reads, StagePlan
from stages.shared.errors import ConfigError

SUFFIXES = (".xml", ".bz2", ".gz", ".zst", ".xz", ".7z")
"""Ends of names; parts of a dump are called `pages-articles1.xml-p1p41242.bz2`."""
INDEX = re.compile(r"-index\d*\.txt")
PART = "/part-"


class WikipediaConfig(CuratedSettings):
    """Reads articles of Wikipedia and of other wikis."""

    stage: ClassVar[str] = "curated.wikipedia"

    files: Annotated[Inputs, Reads(KINDS.wiki_dumps)]
    """Dumps: `{en: /data/enwiki-*-pages-articles-multistream.xml.bz2}`. Indexes of multistream
    files among them are left out: the streams are found by their marks."""
    parts: Annotated[int, Ge(1), Le(10_000)] = 1
    """Units that share a multistream file, each a run of its streams. Other files are one unit."""
    namespaces: tuple[int, ...] = (0,)
    """Numbers of the namespaces to read; 0 has the articles."""
    tables: bool = False
    """Keep tables, a row a line. Most hold numbers and names."""
    tails: bool = False
    """Keep sections of references, links and literature."""
    max_page_mb: Annotated[float, Gt(0), Le(1000)] = 16
    """Largest page in MB of XML, all of its revisions in the dump together; larger ones are dropped. MediaWiki itself
    allows 2 MB a revision."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps. Raises ConfigError for parts of files that cannot be divided."""
        files = tuple(file for file in files_of(inputs) if not INDEX.search(file.path.name))
        uses = ("namespaces", "tables", "tails", "max_page_mb", *(("parts",) if self.parts > 1 else ()))
        reading = Reading(
            run="stages.curated.wikipedia.run:read", uses=uses, mb_s=3.0, text_ratio=0.6, suffixes=SUFFIXES
        )
        plan = plan_source(self, files, reading)
        if self.parts == 1:
            return plan
        for file in files:
            if not file.path.name.endswith(".bz2"):
                raise ConfigError("parts", self.parts, f"1, because {file.path.name} is no multistream .bz2 file")
        units = tuple(
            replace(unit, key=f"{unit.key}{PART}{number}-of-{self.parts}")
            for unit in plan.steps[0].units
            for number in range(self.parts)
        )
        return plan_units(self, units, reading)


Config = WikipediaConfig
