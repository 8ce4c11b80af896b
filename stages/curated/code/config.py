"""Settings of `curated.code`: source code of repositories, archives and The Stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le
from pydantic import Field

from stages.curated.code.licences import PERMISSIVE
from stages.curated.settings import CuratedSettings, DistinctSettings, Reading, files_of, plan_source
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Reads, Section, StagePlan

Share = Annotated[float, Ge(0), Le(1)]


class CodeRules(Section):
    """Rules for a file: LLaMA's heuristics with RedPajama's numbers (arXiv:2302.13971, section 2.1)."""

    max_line: Annotated[int, Ge(1)] = 1000
    """Longest line in characters."""
    max_mean_line: Annotated[float, Gt(0)] = 100
    """Largest mean length of a line."""
    min_alphanumeric: Share = 0.25
    """Smallest share of characters that are letters or digits."""
    min_letters_per_token: Annotated[float, Ge(0)] = 1.0
    """Fewest letters for each word or mark. RedPajama has 1.5 for each subword; here every bracket counts."""
    generated: bool = False
    """Keep files that say that a program wrote them."""
    vendored: bool = False
    """Keep files in folders of copied or built code, such as `node_modules`."""
    strip_header: bool = True
    """Remove a comment about copyright or licence at the start of a file."""


class CodeConfig(CuratedSettings):
    """Reads source code."""

    stage: ClassVar[str] = "curated.code"

    files: Annotated[Inputs, Reads(KINDS.repositories)]
    """A folder with a git repository (bare or with its files) or a source tree; `.tar` (plain or compressed), `.zip`,
    `.whl`; or `.parquet` as The Stack has it, with the columns `content`, `max_stars_repo_path`, `max_stars_repo_name`
    and `max_stars_repo_licenses`, or `path`, `repository_name` and `license`."""
    licences: tuple[str, ...] | None = PERMISSIVE
    """SPDX identifiers of the licences to keep; null keeps all, also code without a licence. LLaMA has Apache, BSD and
    MIT."""
    languages: tuple[str, ...] | None = None
    """Programming languages to keep, such as `python`; null keeps all that stages/curated/code/languages.py knows."""
    rules: CodeRules = Field(default=CodeRules())
    """Rules for a file."""
    max_file_mb: Annotated[float, Gt(0), Le(1000)] = 1
    """Largest file in MB; larger ones are dropped."""
    distinct: DistinctSettings = Field(default=DistinctSettings())
    """Which files count as the same."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps."""
        uses = ("licences", "languages", "rules", "max_file_mb")
        reading = Reading(run="stages.curated.code.run:read", uses=uses, mb_s=4.0, text_ratio=0.5)
        return plan_source(self, files_of(inputs), reading, ("distinct",) if self.distinct.is_on else ())


Config = CodeConfig
