"""The settings of the web stage, a section for each of its steps.

The defaults are RefinedWeb's (arXiv:2306.01116, section 3 and appendix G); README.md says where each number is from.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError

Ratio = Annotated[float, Field(ge=0, le=1)]

PRESETS = {"refinedweb": (450, 20), "fineweb": (14, 8)}
"""MinHash buckets and hashes per bucket. RefinedWeb's section 3 says 20 x 450, which finds only identical pages; its
appendix G.3.1 says 450 x 20."""


class ReadSettings(Section):
    """Which records count as pages."""

    max_page_mb: float = Field(default=32, gt=0)
    """Largest body, in MB of markup. Larger pages are set aside, unread."""


class UrlSettings(Section):
    """Pages dropped for their address (arXiv:2306.01116, G.1)."""

    domains: Literal["ut1", "none"] = "ut1"
    """`ut1`: the 4.6 million domains of the UT1 list that datatrove's wheel carries."""
    min_soft_words: int = Field(default=2, ge=1)
    """Different soft words that drop a page. One strict or hard word is enough."""


class ExtractionSettings(Section):
    """From markup to the page's main text."""

    extractor: Literal["trafilatura", "resiliparse"] = "trafilatura"
    """trafilatura keeps boilerplate out; resiliparse is 13 times faster and lets more of it through."""
    max_tags: int = Field(default=50_000, gt=0)
    """Pages with more tags go to resiliparse: trafilatura needs tens of seconds for them, or does not end."""
    max_chars: int = Field(default=3_000_000, gt=0)
    """Pages with more characters of markup go to resiliparse."""
    timeout_s: float = Field(default=60, gt=0)
    """Seconds after which trafilatura is stopped and resiliparse takes the page. Far above what a page within the two
    limits above needs, because a page that meets it makes the result depend on the machine's speed; it is counted."""
    max_newlines: int = Field(default=2, ge=1)
    """Longest run of newlines left in a text."""
    remove_urls: bool = True
    """Delete addresses from the text."""


class LanguageSettings(Section):
    """Language by fastText's lid.176, as CCNet does."""

    languages: tuple[str, ...] | None = ("en",)
    """Codes of lid.176 (mostly ISO 639-1) to keep; null keeps every language."""
    min_score: Ratio = 0.65
    """Drop a page whose best language scores lower."""
    sample_chars: int = Field(default=2_000, gt=0)
    """Characters looked at, from the beginning: the label agrees with the whole page's on 99.7 % of pages."""


class RepetitionSettings(Section):
    """Gopher's repetition rules (arXiv:2112.11446, table A1): a page above any of these shares is dropped."""

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


class QualitySettings(Section):
    """Gopher's quality rules (arXiv:2112.11446, A.1.1). Words are counted without punctuation."""

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
    stop_words: dict[str, tuple[str, ...]] = Field(
        default={"en": ("the", "be", "to", "of", "and", "that", "have", "with")}
    )
    """By language code. A language without a list has no stop word rule."""


class LineSettings(Section):
    """RefinedWeb's line-wise correction (arXiv:2306.01116, G.2)."""

    max_uppercase: Ratio = 0.5
    """A line with a larger share of upper-case letters, of its letters, is deleted."""
    max_edit_words: int = Field(default=10, ge=0)
    """Longest line, in words, from which phrases such as "Read more..." are cut."""
    max_removed_words: Ratio = 0.05
    """A page that loses a larger share of its words is dropped."""


class DedupSettings(Section):
    """Fuzzy deduplication by MinHash over word n-grams (arXiv:2306.01116, G.3.1; Lee et al., arXiv:2107.06499)."""

    enabled: bool = True
    """False: every page that passed the filters becomes a document."""
    preset: Literal["refinedweb", "fineweb", "custom"] = "refinedweb"
    """refinedweb: 450 buckets of 20 hashes. fineweb: 14 of 8, with a softer threshold, in a tenth of the time."""
    buckets: int | None = Field(default=None, ge=1)
    """With preset custom: number of buckets. Two pages are duplicates if any bucket agrees."""
    hashes_per_bucket: int | None = Field(default=None, ge=1)
    """With preset custom: hashes that must all agree for a bucket to agree."""
    ngram: int = Field(default=5, ge=1)
    """Words of a shingle."""
    seed: int = Field(default=1, ge=0)
    """Draws the hash functions."""
    keep: Literal["first", "longest"] = "first"
    """The page of a group that stays: the first in the order of the inputs, or the one with the most words."""
    bucket_shards: int = Field(default=1, ge=1)
    """Array elements over which the buckets are spread."""

    @model_validator(mode="after")
    def _can_match(self) -> DedupSettings:
        given = [number is not None for number in (self.buckets, self.hashes_per_bucket)]
        if not all(given) if self.preset == "custom" else any(given):
            wanted = "`custom` together with both buckets and hashes_per_bucket, or a named preset with neither"
            raise ConfigError("web.dedup.preset", self.preset, wanted)
        buckets, hashes = self.shape
        if (found := match_probability(0.9, buckets, hashes)) < 0.5:
            raise ConfigError(
                "web.dedup.hashes_per_bucket",
                hashes,
                f"fewer: with {buckets} buckets, two pages that share 90 % of their shingles are found with "
                f"probability {found:.2g}. RefinedWeb's numbers are 450 buckets of 20 hashes (preset: refinedweb)",
            )
        if self.bucket_shards > buckets:
            raise ConfigError("web.dedup.bucket_shards", self.bucket_shards, f"at most the {buckets} buckets")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Buckets and hashes per bucket."""
        if self.buckets is None or self.hashes_per_bucket is None:
            return PRESETS[self.preset]
        return self.buckets, self.hashes_per_bucket


def match_probability(similarity: float, buckets: int, hashes_per_bucket: int) -> float:
    """Return the probability that two pages of this Jaccard similarity agree in at least one bucket."""
    return 1 - (1 - similarity**hashes_per_bucket) ** buckets
