"""Settings of `curated.arxiv`: papers in LaTeX as arXiv ships them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from stages.curated.settings import CuratedSettings, Reading, files_of, plan_source
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Reads, StagePlan


class ArxivConfig(CuratedSettings):
    """Reads papers in LaTeX."""

    stage: ClassVar[str] = "curated.arxiv"

    files: Annotated[Inputs, Reads(KINDS.papers)]
    """arXiv's bulk files (`arXiv_src_2401_001.tar`, with a `.gz` for each paper), or one paper: `.tar.gz`, `.gz`
    or `.tex`."""
    appendix: Literal["cut", "keep"] = "cut"
    """cut: a paper ends at its appendix, as in RedPajama. keep: it ends at its bibliography."""
    before_section: Literal["cut", "abstract", "keep"] = "cut"
    """cut: a paper begins with its first section, as in LLaMA. abstract: title and abstract stay. keep: everything."""
    max_paper_mb: Annotated[float, Gt(0), Le(1000)] = 10
    """Largest LaTeX of a paper in MB, before and after macros are expanded; larger ones are dropped, or stay
    unexpanded."""
    max_expansions: Annotated[int, Ge(0)] = 200_000
    """Most macros that are expanded in a paper; one that needs more keeps its macros and is counted in the log of the
    unit as `expansion_stopped`."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step."""
        uses = ("appendix", "before_section", "max_paper_mb", "max_expansions")
        reading = Reading(run="stages.curated.arxiv.run:read", uses=uses, mb_s=3.0, text_ratio=0.4)
        return plan_source(self, files_of(inputs), reading)


Config = ArxivConfig
