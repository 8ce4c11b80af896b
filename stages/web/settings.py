"""The settings of the web stage, a section for each of its steps.

The defaults are RefinedWeb's (arXiv:2306.01116, section 3 and appendix G); README.md says where each number is from.
"""

from __future__ import annotations

from math import comb
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError
from stages.web import bloom

Ratio = Annotated[float, Field(ge=0, le=1)]

PRESETS = {"refinedweb": (450, 20), "fineweb": (14, 8)}
"""MinHash buckets and hashes per bucket. RefinedWeb's section 3 says 20 x 450, which finds only identical pages; its
appendix G.3.1 says 450 x 20."""
MAX_TABLES = 10_000
"""More ways of comparing than this are a mistake."""


class ReadSettings(Section):
    """Which records count as pages."""

    max_page_mb: float = Field(default=8, gt=0)
    """Largest body, in MB of markup. Larger pages are set aside, unread. Common Crawl cuts bodies at 5 MB, before 2025
    at 1 MB; a page of 20 MB takes a task a GB of memory."""


class UrlSettings(Section):
    """Pages dropped for their address (arXiv:2306.01116, G.1)."""

    domains: Literal["ut1", "none"] = "ut1"
    """`ut1`: the 4.6 million domains of the UT1 list that datatrove's wheel carries."""
    min_soft_words: int = Field(default=2, ge=1)
    """Different soft words that drop a page. One strict or hard word is enough."""


class GateSettings(Section):
    """What is dropped by the fast text, before the good extractor has seen a page or anything is measured.

    A gate is looser than the rule it anticipates (`check_gates`), so that what is kept is what the good extractor on
    every page would keep: with these numbers all 150 of 607 real pages, of which seven tenths never meet it.
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
    timeout_s: float = Field(default=60, gt=0)
    """Seconds after which a slow extractor is stopped and resiliparse takes the page. Far above what a page within the
    two limits needs, because a page that meets it makes the result depend on the machine's speed; it is counted."""
    memory_mb: int = Field(default=2_000, ge=1_000)
    """Address space of the process in which the slow extractors run. A page that needs more goes to resiliparse."""
    max_newlines: int = Field(default=2, ge=1)
    """Longest run of newlines left in a text."""
    remove_urls: bool = True
    """Delete addresses from the text."""

    @property
    def has_preview(self) -> bool:
        """Whether every page gets a fast text, so that the gates have something to look at."""
        return self.extractor in ("two-tier", "resiliparse")


class LanguageSettings(Section):
    """Language by fastText's lid.176, as CCNet does."""

    preset: Literal["refinedweb", "bloom"] = "refinedweb"
    """bloom: the least scores of BLOOM's corpus by language (stages/web/bloom.py) in place of min_score."""
    position: Literal["before", "after"] = "before"
    """Where unwanted languages are dropped: before deduplication, or after it. RefinedWeb's order is `before`."""
    languages: tuple[str, ...] | None = ("en",)
    """Codes of lid.176 (mostly ISO 639-1) to keep; null keeps every language."""
    min_score: Ratio = 0.65
    """Drop a page whose best language scores lower."""
    sample_chars: int = Field(default=1_000, gt=0)
    """Characters looked at, in eight pieces from all over the text: on 601 real pages the label is the whole text's."""


class RepetitionSettings(Section):
    """Gopher's repetition rules (arXiv:2112.11446, table A1): a page above any of these shares is dropped."""

    preset: Literal["gopher", "bloom"] = "gopher"
    """bloom: the two rules of BLOOM's corpus by language (stages/web/bloom.py) in place of the settings below."""
    duplicate_lines: Ratio = 0.30
    """Lines that repeat an earlier line, of all lines."""
    duplicate_line_chars: Ratio = 0.20
    """Characters in such lines, of all characters."""
    duplicate_paragraphs: Ratio = 0.30
    """Paragraphs that repeat an earlier one, of all paragraphs."""
    duplicate_paragraph_chars: Ratio = 0.20
    """Characters in such paragraphs, of all characters."""
    top_ngrams: dict[int, Ratio] = Field(default={2: 0.20, 3: 0.18, 4: 0.16})
    """By n: characters in the most frequent word n-gram, of all characters."""
    duplicate_ngrams: dict[int, Ratio] = Field(default={5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10})
    """By n: characters in word n-grams that occurred before, of all characters."""

    @model_validator(mode="after")
    def _are_measured(self) -> RepetitionSettings:
        for name, measured in (("top_ngrams", range(2, 5)), ("duplicate_ngrams", range(5, 11))):
            for n in getattr(self, name):
                if n not in measured:
                    wanted = f"an n from {measured[0]} to {measured[-1]}: pages are measured once, for all thresholds"
                    raise ConfigError(f"repetition.{name}", n, wanted)
        return self


class QualitySettings(Section):
    """Gopher's quality rules (arXiv:2112.11446, A.1.1). Words are counted without punctuation."""

    preset: Literal["gopher", "bloom"] = "gopher"
    """bloom: the rules of BLOOM's corpus by language (stages/web/bloom.py) in place of the settings below."""
    counting: Literal["words", "datatrove"] = "words"
    """datatrove: a mark is a word and an empty line a line in the ratios below, only "•" and "-" are bullets, and stop
    words count in lower case only, as in datatrove and FineWeb."""
    min_words: int = Field(default=50, ge=1)
    """Fewest words of a page."""
    max_words: int = Field(default=100_000, ge=1)
    """Most words of a page."""
    min_word_chars: float = 3
    """Least mean length of a word, in characters."""
    max_word_chars: float = 10
    """Greatest mean length of a word, in characters."""
    max_hashes_per_word: float = 0.1
    """Most "#" per word."""
    max_ellipses_per_word: float = 0.1
    """Most "..." or "…" per word."""
    max_bullet_lines: Ratio = 0.9
    """Largest share of lines that start with a bullet."""
    max_ellipsis_lines: Ratio = 0.3
    """Largest share of lines that end with an ellipsis."""
    min_alphabetic_words: Ratio = 0.8
    """Least share of words with at least one letter."""
    min_stop_words: int = Field(default=2, ge=0)
    """Least number of different stop words of the page's language."""
    stop_words: dict[str, tuple[str, ...]] = Field(default={})
    """By language code, in place of the list in stages/web/data/stop_words.txt. A language that has no list in either
    place has no stop word rule. Unlike the thresholds above they are counted when a page is extracted."""


class LineSettings(Section):
    """RefinedWeb's line-wise correction (arXiv:2306.01116, G.2)."""

    max_uppercase: Ratio = 0.5
    """A line with a larger share of upper-case letters, of its letters, is deleted."""
    max_edit_words: int = Field(default=10, ge=0)
    """Longest line, in words, from which phrases such as "Read more..." are cut."""
    max_removed_words: Ratio = 0.05
    """A page that loses a larger share of its words is dropped."""


class DedupSettings(Section):
    """Fuzzy deduplication over word n-grams, by MinHash (arXiv:2306.01116, G.3.1; Lee et al., arXiv:2107.06499) or by
    SimHash (Charikar, 2002; Manku et al., Detecting Near-Duplicates for Web Crawling, 2007).
    """

    enabled: bool = True
    """False: every page that passed the filters becomes a document."""
    method: Literal["minhash", "simhash"] = "minhash"
    """minhash: pages that share most of their shingles, RefinedWeb's way. simhash: pages whose 64-bit sums of shingles
    differ in a few bits; its files are hundreds of times smaller, its notion of near is coarser for short pages."""
    preset: Literal["refinedweb", "fineweb", "custom"] = "refinedweb"
    """refinedweb: 450 buckets of 20 hashes. fineweb: 14 of 8: a softer threshold and a 30th of the scratch space."""
    buckets: int | None = Field(default=None, ge=1)
    """With preset custom: number of buckets. Two pages are duplicates if any bucket agrees."""
    hashes_per_bucket: int | None = Field(default=None, ge=1)
    """With preset custom: hashes that must all agree for a bucket to agree."""
    ngram: int = Field(default=5, ge=1)
    """Words of a MinHash shingle."""
    simhash_ngram: int = Field(default=3, ge=1)
    """Words of a SimHash shingle."""
    simhash_distance: int = Field(default=3, ge=0, le=16)
    """Most bits in which two SimHashes of duplicates differ (3 of 64 in Manku et al., section 3)."""
    simhash_blocks: int | None = Field(default=None, ge=2, le=64)
    """Blocks into which the 64 bits are cut; null is simhash_distance + 1. Pages that agree in all but simhash_distance
    of them are compared, once for each choice of blocks. With 3 and 4: four choices of 16 bits, in which two of
    65,536 pages agree by chance; with 3 and 6: 20 choices of about 32 bits, for runs of more than ten million pages."""
    seed: int = Field(default=1, ge=0, lt=2**64)
    """Draws the hash functions."""
    keep: Literal["earliest", "longest", "best"] = "earliest"
    """The page of a group that stays: the first in the order of the inputs, the one with the most words, or the one
    farthest from every threshold of the filters; of equals the longest, then the earliest."""
    scope: Literal["all", "dump"] = "all"
    """Pages that are compared: all of the run, or only those of the same dump."""
    bucket_units: int = Field(default=1, ge=1)
    """Array elements over which the buckets are spread."""
    memory_mb: int = Field(default=4_000, ge=64)
    """Memory that one element of `buckets` may use, about. Less means more passes over the signatures, not other
    documents."""

    @model_validator(mode="after")
    def _can_match(self) -> DedupSettings:
        given = [number is not None for number in (self.buckets, self.hashes_per_bucket)]
        if not all(given) if self.preset == "custom" else any(given):
            wanted = "`custom` together with both buckets and hashes_per_bucket, or a named preset with neither"
            raise ConfigError("dedup.preset", self.preset, wanted)
        buckets, hashes = self.shape
        if (found := match_probability(0.9, buckets, hashes)) < 0.5:
            raise ConfigError(
                "dedup.hashes_per_bucket",
                hashes,
                f"fewer: with {buckets} buckets, two pages that share 90 % of their shingles are found with "
                f"probability {found:.2g}. RefinedWeb's numbers are 450 buckets of 20 hashes (preset: refinedweb)",
            )
        if self.simhash_blocks is not None and self.simhash_blocks <= self.simhash_distance:
            wanted = f"more than the {self.simhash_distance} bits that may differ, or no block is sure to agree"
            raise ConfigError("dedup.simhash_blocks", self.simhash_blocks, wanted)
        if self.num_tables > MAX_TABLES:
            wanted = f"so few that at most {MAX_TABLES} choices of blocks result; these are {self.num_tables}"
            raise ConfigError("dedup.simhash_blocks", self.simhash_blocks, wanted)
        if self.bucket_units > self.num_tables:
            raise ConfigError("dedup.bucket_units", self.bucket_units, f"at most the {self.num_tables} buckets")
        return self

    @property
    def num_tables(self) -> int:
        """Buckets of MinHash, or choices of SimHash's blocks: the ways in which pages are compared."""
        if self.method == "minhash":
            return self.shape[0]
        return comb(self.simhash_blocks or self.simhash_distance + 1, self.simhash_distance)

    @property
    def num_rows(self) -> int:
        """64-bit numbers in a page's signature."""
        return self.shape[0] if self.method == "minhash" else 1

    @property
    def shape(self) -> tuple[int, int]:
        """Buckets and hashes per bucket."""
        if self.buckets is None or self.hashes_per_bucket is None:
            return PRESETS[self.preset]
        return self.buckets, self.hashes_per_bucket


class ExactSettings(Section):
    """Exact duplicates in a part of the documents, by suffix array (arXiv:2306.01116, 3.3; arXiv:2107.06499, 4.1)."""

    enabled: bool = True
    """False: documents keep what they share."""
    min_tokens: int = Field(default=50, ge=5)
    """Shortest run of tokens that is cut if it occurs twice. RefinedWeb counts subwords; here words and punctuation
    marks are counted, characters where no spaces part words, so 50 are a longer run, of about 65 subwords."""
    rule: Literal["all", "first"] = "all"
    """all: every occurrence is cut, as in the papers. first: a run stays where it stands first in the part."""
    min_words: int = Field(default=50, ge=0)
    """A document that was cut and has fewer words left is dropped: as few as `quality` accepts, and datatrove's number.
    Lee et al. ask for no more than 20 characters."""
    parts: int = Field(default=1, ge=1)
    """Parts into which the shards are divided, each searched by itself. RefinedWeb has 100; with more, duplicates of
    different parts are not found, and an element needs less memory. Never more than there are shards."""


class UrlDedupSettings(Section):
    """Pages of one address that were read several times, in one dump or in several (arXiv:2306.01116, 3.3)."""

    enabled: bool = True
    """False: every capture of a page that passed everything else is a document. True: the first one is."""


def check_gates(extraction: ExtractionSettings, language: LanguageSettings, quality: QualitySettings) -> None:
    """Raise ConfigError if a gate is tighter than the rule it anticipates, for any language."""
    if not extraction.has_preview:
        return
    gates = extraction.gates
    rows = bloom.TABLE.values()
    least_words = min(row.min_words for row in rows) if quality.preset == "bloom" else quality.min_words
    least_score = min(row.min_language_score for row in rows) if language.preset == "bloom" else language.min_score
    why = "a gate tighter than its rule loses pages that the rule would keep"
    if gates.min_words > least_words:
        raise ConfigError("extraction.gates.min_words", gates.min_words, f"at most {least_words}: {why}")
    if language.languages is not None and gates.min_wanted > least_score:
        wanted = f"at most {least_score}, the least score of a page that stays: {why}"
        raise ConfigError("extraction.gates.min_wanted", gates.min_wanted, wanted)


def match_probability(similarity: float, buckets: int, hashes_per_bucket: int) -> float:
    """Return the probability that two pages of this Jaccard similarity agree in at least one bucket."""
    return 1 - (1 - similarity**hashes_per_bucket) ** buckets
