"""The kind of each page, and the page that it copies: from the page's number alone, so that every unit knows both.

Every block of pages in a row has a fixed number of each kind, in a drawn order: two blocks have every kind, and the
shares are the same in a sample of any size. The Chinese pages of a block come on top of its 200 others.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from stages.sample import chinese_spam, spam
from stages.sample.config import BLOCK, SampleConfig
from stages.sample.draw import Draw

ARTICLE = "article"
TRUNCATED = "truncated_record"


def _planted(step: str) -> tuple[str, ...]:
    """Return the reasons of a step for which spam is planted, in English or Chinese."""
    both = (*spam.PLANTED, *chinese_spam.PLANTED)
    return tuple(dict.fromkeys(planted.make.__name__ for planted in both if planted.step == step))


STEPS: dict[str, tuple[str, ...]] = {
    "read": ("damaged_record", "not_html", "empty_body", "http_status", "no_url", TRUNCATED),
    "url": ("blocked_domain", "strict_word", "hard_word", "soft_words", "excluded_host"),
    "extraction": ("no_text",),
    "language": ("other_language", "low_score"),
    "repetition": _planted("repetition"),
    "quality": _planted("quality"),
    "lines": _planted("lines"),
    "dedup": ("near_duplicate", "exact_duplicate"),
    "substrings": ("too_short_after_cut",),
    "urls": ("seen_url",),
}
"""Kinds of pages that must be dropped, by the step of the web stage that drops them. A kind is the step's reason."""
RECRAWL = "recrawl"
"""The page of another dump again, with the same URL: an exact duplicate before it is a seen URL."""
STEP_OF = {kind: step for step, kinds in STEPS.items() for kind in kinds} | {RECRAWL: "dedup"}
REASON_OF = {kind: kind for kind in STEP_OF} | {RECRAWL: "exact_duplicate"}

SAME_TEXT = ("near_duplicate", "exact_duplicate", RECRAWL)
SAME_URL = (RECRAWL, "seen_url")
"""Pages of the second dump."""
COPIES = {*SAME_TEXT, *SAME_URL}
"""Pages that have the text of an earlier article, its URL, or both."""
WITH_PASSAGE = ("article_with_passage", "too_short_after_cut")
"""Pages that carry the passage of their block word for word."""

# fmt: off
ENGLISH: dict[str, int] = {
    "article_with_line_junk": 8, "article_with_bad_byte": 4, "article_in_cp1252": 3, "article_in_utf16": 2,
    "article_with_passage": 4, "near_duplicate": 10, "exact_duplicate": 6, RECRAWL: 10, "seen_url": 3,
    "damaged_record": 1, "not_html": 2, "empty_body": 1, "http_status": 1, "no_url": 1,
    "blocked_domain": 4, "strict_word": 1, "hard_word": 2, "soft_words": 1, "excluded_host": 2,
    "no_text": 1, "other_language": 14, "low_score": 1,
    **{planted.make.__name__: planted.per_block for planted in spam.PLANTED},
    "too_short_after_cut": 1,
}
"""Pages of each kind in a block; plain articles fill it up."""
CHINESE: dict[str, int] = {
    "article_with_line_junk": 2, "article_with_bad_byte": 1, "article_in_gb18030": 2, "article_with_passage": 3,
    "near_duplicate": 2, "exact_duplicate": 2, RECRAWL: 2, "seen_url": 1,
    "blocked_domain": 1, "hard_word": 1, "soft_words": 1, "other_language": 1,
    **{planted.make.__name__: planted.per_block for planted in chinese_spam.PLANTED},
    "too_short_after_cut": 1,
}
"""The same for the Chinese pages. A page in characters hardly ever has too few words: BLOOM asks for one."""
# fmt: on


class Slot(NamedTuple):
    """The kind and language of a page."""

    kind: str
    language: str
    """en or zh: the part of the sample to which it belongs."""


def slots(num_chinese: int) -> list[Slot]:
    """Return the pages of a block, before their order is drawn."""
    return [*_filled(ENGLISH, BLOCK, "en"), *_filled(CHINESE if num_chinese else {}, num_chinese, "zh")]


def _filled(counts: dict[str, int], size: int, language: str) -> list[Slot]:
    given = [Slot(kind, language) for kind, count in counts.items() for _ in range(count)]
    return [*given, *[Slot(ARTICLE, language)] * (size - len(given))]


@lru_cache(maxsize=256)
def _block(seed: int, num_chinese: int, block: int) -> tuple[Slot, ...]:
    return tuple(Draw("kinds", seed, block).shuffled(slots(num_chinese)))


def block_of(config: SampleConfig, page: int) -> int:
    """Return the block whose passage a page carries: an incomplete last block joins the one before."""
    size = BLOCK + config.num_chinese
    return min(page // size, config.pages // size - 1)


def slot_of(config: SampleConfig, page: int) -> Slot:
    """Return the slot of a page. The last page of each dump is cut off in the middle, like a broken download."""
    slot = _drawn(config, page)
    if page in _cut_off(config):
        return Slot(TRUNCATED, slot.language)
    # Only the second dump can crawl again, and a copy needs an earlier page.
    if slot.kind in COPIES and original_of(config, page, slot) is None:
        return Slot(ARTICLE, slot.language)
    return slot


def original_of(config: SampleConfig, page: int, slot: Slot) -> int | None:
    """Return the plain article that a page copies, an earlier one of its language, or None if there is none.

    A page that is crawled again is one of the first dump; the others may copy from either.
    """
    first_of_second = config.pages_of(config.files_per_dump)[0]
    end = page
    if slot.kind in SAME_URL:
        if page < first_of_second:
            return None
        end = first_of_second
    wanted = Slot(ARTICLE, slot.language)
    original = Draw("original", config.seed, page).below(end)
    while original >= 0 and (_drawn(config, original) != wanted or original in _cut_off(config)):
        original -= 1
    return original if original >= 0 else None


def _drawn(config: SampleConfig, page: int) -> Slot:
    block, place = divmod(page, BLOCK + config.num_chinese)
    return _block(config.seed, config.num_chinese, block)[place]


def _cut_off(config: SampleConfig) -> tuple[int, int]:
    return config.pages_of(config.files_per_dump - 1)[-1], config.pages - 1
