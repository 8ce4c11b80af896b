"""Settings of the text rules, of language identification and of deduplication: a section for each.

The defaults are RefinedWeb's (arXiv:2306.01116, section 3 and appendix G); README.md names the source of each number.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import comb
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError, nearest

LABELS = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da "
    "de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id "
    "ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn "
    "mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue "
    "sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo "
    "wa war wuu xal xmf yi yo yue zh"
)
LANGUAGES = frozenset(LABELS.split())
"""The labels of lid.176."""

Ratio = Annotated[float, Field(ge=0, le=1)]

PRESETS = {"refinedweb": (450, 20), "fineweb": (14, 8)}
"""MinHash buckets and hashes per bucket. RefinedWeb's section 3 says 20 x 450, which finds only identical pages; its
appendix G.3.1 says 450 x 20."""
MAX_TABLES = 10_000
"""Largest number of tables in which pages are compared; a larger one is a mistake."""


class LanguageSettings(Section):
    """Language by fastText's lid.176, as CCNet does."""

    preset: Literal["refinedweb", "bloom"] = "refinedweb"
    """bloom: the minimum scores of BLOOM's corpus by language (stages/text/bloom_limits.py) instead of min_score."""
    position: Literal["before", "after"] = "before"
    """Whether unwanted languages are dropped before deduplication, as in RefinedWeb, or after it."""
    languages: tuple[str, ...] | None = Field(default=("en",), min_length=1)
    """Codes of lid.176 (mostly ISO 639-1) to keep; null keeps every language."""
    min_score: Ratio = 0.65
    """Drop a page whose best language scores lower."""
    sample_chars: int = Field(default=1_000, gt=0)
    """Characters that are scored, in eight pieces from all over the text: on 601 real pages the label is the whole
    text's."""


def check_languages(setting: str, codes: Iterable[str], known: Iterable[str] = LANGUAGES) -> None:
    """Raise ConfigError for a code that is no label of the language model: it would keep or change no page."""
    labels = sorted(known)
    for code in codes:
        if code not in labels:
            near = nearest(code.lower().partition("-")[0].partition("_")[0], labels)
            raise ConfigError(setting, code, f"a language code of the model such as {labels[0]!r}; {near}")


class RepetitionSettings(Section):
    """Gopher's repetition rules (arXiv:2112.11446, table A1): a page above any of these shares is dropped."""

    preset: Literal["gopher", "bloom"] = "gopher"
    """bloom: the two rules of BLOOM's corpus by language (stages/text/bloom_limits.py) instead of the settings
    below."""
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
                    wanted = f"a mapping whose keys are {measured[0]} to {measured[-1]}: no other n is measured"
                    raise ConfigError(f"repetition.{name}", n, wanted)
        return self


class C4Settings(Section):
    """C4's rules (arXiv:1910.10683, section 2.2)."""

    sentence_ends: bool = True
    """Remove lines that do not end as a sentence does."""
    min_line_words: int = Field(default=3, ge=0)
    """Remove lines with fewer words. The paper has 5, the code that made C4 has 3."""
    no_javascript: bool = True
    """Remove lines that name JavaScript."""
    no_braces: bool = True
    """Drop pages with a curly bracket: they hold code."""
    min_sentences: int = Field(default=5, ge=0)
    """Fewest sentences of a page. The paper has 3, the code that made C4 has 5."""
    bad_words: tuple[str, ...] = ()
    """Drop pages with any of these words, as C4 does with the list of dirty words of Shutterstock."""


class QualitySettings(Section):
    """Gopher's quality rules (arXiv:2112.11446, A.1.1). Words are counted without punctuation."""

    preset: Literal["gopher", "bloom"] = "gopher"
    """bloom: the rules of BLOOM's corpus by language (stages/text/bloom_limits.py) instead of the settings below."""
    counting: Literal["words", "datatrove"] = "words"
    """datatrove: a mark is a word and an empty line a line in the ratios below, only "•" and "-" are bullets, and stop
    words count in lower case only, as in datatrove and FineWeb."""
    min_words: int = Field(default=50, ge=1)
    """Fewest words of a page."""
    max_words: int = Field(default=100_000, ge=1)
    """Most words of a page."""
    min_word_chars: float = Field(default=3, ge=0)
    """Smallest mean length of a word, in characters."""
    min_word_chars_of: dict[str, Annotated[float, Field(ge=0)]] = Field(default={"ko": 2})
    """The same by language code, where a character is more than a letter: a Hangul syllable is two or three. The mean
    of Korean prose is 2.6 to 3.4."""
    max_word_chars: float = Field(default=10, gt=0)
    """Largest mean length of a word, in characters."""
    max_hashes_per_word: float = Field(default=0.1, ge=0)
    """Most "#" per word."""
    max_ellipses_per_word: float = Field(default=0.1, ge=0)
    """Most "..." or "…" per word."""
    max_bullet_lines: Ratio = 0.9
    """Largest share of lines that start with a bullet."""
    max_ellipsis_lines: Ratio = 0.3
    """Largest share of lines that end with an ellipsis."""
    min_alphabetic_words: Ratio = 0.8
    """Smallest share of words with at least one letter."""
    min_stop_words: int = Field(default=2, ge=0)
    """Smallest number of different stop words of the page's language."""
    stop_words: dict[str, tuple[str, ...]] = Field(default={})
    """By language code, instead of the list in stages/text/data/stop_words.txt. A language without a list in either
    place has no stop word rule. Unlike the thresholds above, stop words are counted when a page is extracted."""

    @model_validator(mode="after")
    def _keep_something(self) -> QualitySettings:
        if self.min_words > self.max_words:
            raise ConfigError("quality.min_words", self.min_words, f"at most max_words, {self.max_words}")
        if self.min_word_chars > self.max_word_chars:
            wanted = f"at most max_word_chars, {self.max_word_chars:g}"
            raise ConfigError("quality.min_word_chars", self.min_word_chars, wanted)
        for language, least in self.min_word_chars_of.items():
            if least > self.max_word_chars:
                wanted = f"at most max_word_chars, {self.max_word_chars:g}"
                raise ConfigError(f"quality.min_word_chars_of.{language}", least, wanted)
        return self

    @model_validator(mode="after")
    def _has_enough_stop_words(self) -> QualitySettings:
        for language, words in self.stop_words.items():
            if len(words) < max(1, self.min_stop_words):
                wanted = f"a list of at least min_stop_words, {self.min_stop_words}, words: fewer drop every page"
                raise ConfigError(f"quality.stop_words.{language}", list(words), wanted)
        return self


class LineSettings(Section):
    """RefinedWeb's line-wise correction (arXiv:2306.01116, G.2)."""

    max_uppercase: Ratio = 0.5
    """Delete a line with a larger share of upper-case letters among its letters."""
    max_edit_words: int = Field(default=10, ge=0)
    """Longest line, in words, from which phrases such as "Read more..." are cut."""
    max_removed_words: Ratio = 0.05
    """Drop a page that loses a larger share of its words."""


class DedupSettings(Section):
    """Fuzzy deduplication over word n-grams, by MinHash (arXiv:2306.01116, G.3.1; Lee et al., arXiv:2107.06499) or by
    SimHash (Charikar, 2002; Manku et al., Detecting Near-Duplicates for Web Crawling, 2007).
    """

    enabled: bool = True
    """False: every page that passed the filters becomes a document."""
    method: Literal["minhash", "simhash"] = "minhash"
    """minhash, as in RefinedWeb: pages that share most of their shingles. simhash: pages whose 64-bit sums of shingles
    differ in a few bits; its files are hundreds of times smaller, and it is coarser on short pages."""
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
    """Blocks into which the 64 bits are cut; null is simhash_distance + 1. Pages that agree in all blocks except
    simhash_distance are compared, once for each choice of blocks. With 3 and 4: four choices of 16 bits, in which two
    of 65,536 pages agree by chance; with 3 and 6: 20 choices of about 32 bits, for runs of more than ten million
    pages."""
    seed: int = Field(default=1, ge=0, lt=2**64)
    """Draws the hash functions."""
    keep: Literal["earliest", "longest", "best"] = "earliest"
    """The page of a group that stays: the first in the order of the inputs, the one with the most words, or the one
    farthest from every threshold of the filters; of equals the longest, then the earliest."""
    scope: Literal["all", "dump"] = "all"
    """Pages that are compared: all of the run, or only those of the same dump."""
    bucket_units: int = Field(default=1, ge=1)
    """Units over which the buckets are spread."""
    memory_mb: int = Field(default=4_000, ge=64)
    """Memory that one unit of `buckets` may use, about. Less memory means more passes over the signatures and the same
    documents."""

    @model_validator(mode="after")
    def _can_match(self) -> DedupSettings:
        given = [number is not None for number in (self.buckets, self.hashes_per_bucket)]
        if not all(given) if self.preset == "custom" else any(given):
            wanted = "`custom` together with both buckets and hashes_per_bucket, or a named preset with neither"
            raise ConfigError("dedup.preset", self.preset, wanted)
        buckets, hashes = self.shape
        if (found := match_probability(0.9, buckets, hashes)) < 0.5:
            wanted = (
                f"smaller: with {buckets} buckets, two pages that share 90 % of their shingles are found with "
                f"probability {found:.2g} (for example preset: refinedweb, 450 buckets of 20 hashes)"
            )
            raise ConfigError("dedup.hashes_per_bucket", hashes, wanted)
        return self

    @model_validator(mode="after")
    def _has_tables(self) -> DedupSettings:
        if self.simhash_blocks is not None and self.simhash_blocks <= self.simhash_distance:
            wanted = f"more than the {self.simhash_distance} bits that may differ, so that one block agrees"
            raise ConfigError("dedup.simhash_blocks", self.simhash_blocks, wanted)
        if self.num_tables > MAX_TABLES:
            wanted = f"so small that there are at most {MAX_TABLES} choices of blocks; now there are {self.num_tables}"
            raise ConfigError("dedup.simhash_blocks", self.simhash_blocks, wanted)
        if self.bucket_units > self.num_tables:
            raise ConfigError("dedup.bucket_units", self.bucket_units, f"at most {self.num_tables}, one a bucket")
        return self

    @property
    def num_tables(self) -> int:
        """Tables in which pages are compared: buckets of MinHash, or choices of SimHash's blocks."""
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
    """False: documents keep the text that they share."""
    min_tokens: int = Field(default=50, ge=5)
    """Shortest run of tokens that is cut if it occurs twice. RefinedWeb counts subwords; here words and punctuation
    marks are counted, characters where no spaces part words, so 50 are a longer run, of about 65 subwords."""
    rule: Literal["all", "first"] = "all"
    """all: every occurrence is cut, as in the papers. first: the first occurrence in the part stays."""
    min_words: int = Field(default=50, ge=0)
    """Drop a document that was cut and has fewer words left. 50 is quality's minimum and datatrove's number. Lee et al.
    only ask for 20 characters."""
    parts: int = Field(default=1, ge=1)
    """Parts into which the units are divided, each searched by itself; at most one a unit. RefinedWeb has 100. More
    parts need less memory each and miss the duplicates between parts."""


def match_probability(similarity: float, buckets: int, hashes_per_bucket: int) -> float:
    """Return the probability that two pages of this Jaccard similarity agree in at least one bucket."""
    return 1 - (1 - similarity**hashes_per_bucket) ** buckets
