"""Settings of `sample.curated`: the closed world as a wiki, a site of questions, books and code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Output, StageConfig, StagePlan, Step

FILES = (
    (KINDS.wiki_dumps, "samplewiki.xml", "samplewiki"),
    (KINDS.wiki_dumps, "samplewiki_zh.xml", "samplewiki_zh"),
    (KINDS.posts, "Posts.xml", "town.example.org"),
    (KINDS.books, "books.zip", "samplebooks"),
    (KINDS.repositories, "code.zip", "samplecode"),
)
"""Kind, file and source of each output."""


class SampleCuratedConfig(StageConfig):
    """Writes curated sources of the closed world in the formats in which the world ships them."""

    stage: ClassVar[str] = "sample.curated"

    seed: Annotated[int, Ge(0)] = 1
    """Draws the world, as `sample.seed`."""
    articles: Annotated[int, Ge(10), Le(100_000)] = 200
    """Articles of each wiki, threads of the site and paragraphs of the books, in English; half as many in Chinese."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step."""
        step = Step(
            name="",
            run="stages.sample.curated.run:run",
            units=WHOLE,
            uses=("seed", "articles"),
            core_seconds=1.0 + self.articles * 2e-3,
            disk_mb=self.articles * 8e-3,
        )
        outputs = tuple(
            Output(step="", unit=WHOLE[0].key, kind=kind, source=source, name=name) for kind, name, source in FILES
        )
        return StagePlan(steps=(step,), outputs=outputs)


Config = SampleCuratedConfig
