"""Settings of `curated.stackexchange`: questions with their answers from Stack Exchange's dumps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from stages.curated.settings import CuratedSettings, Reading, files_of, plan_source
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Reads, StagePlan

SUFFIXES = (".xml", ".xml.bz2", ".xml.gz", ".xml.zst", ".xml.xz", ".7z")


class StackExchangeConfig(CuratedSettings):
    """Reads sites of Stack Exchange."""

    stage: ClassVar[str] = "curated.stackexchange"

    files: Annotated[Inputs, Reads(KINDS.posts)]
    """`Posts.xml` of each site, plain or compressed, or the site's `.7z`, with the site as the name, for URLs:
    `{cooking.stackexchange.com: /data/cooking.stackexchange.com.7z}`."""
    needs_answer: bool = True
    """Drop questions without an answer."""
    min_answer_score: int | None = None
    """Lowest score of an answer; lower ones are left out. The Pile has 3 (arXiv:2101.00027, C.5); null keeps all, as
    LLaMA does."""
    max_answers: Annotated[int, Ge(1)] | None = None
    """Most answers of a thread, the best first. The Pile has 3."""
    max_post_mb: Annotated[float, Gt(0), Le(1000)] = 4
    """Largest post in MB of XML; larger ones are dropped. Stack Exchange itself allows 30,000 characters."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step."""
        uses = ("needs_answer", "min_answer_score", "max_answers", "max_post_mb")
        reading = Reading(
            run="stages.curated.stackexchange.run:read", uses=uses, mb_s=8.0, text_ratio=0.3, suffixes=SUFFIXES
        )
        return plan_source(self, files_of(inputs), reading)


Config = StackExchangeConfig
