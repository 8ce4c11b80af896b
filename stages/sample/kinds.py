"""Which kind each page is, and which page it copies: from the page's number alone, so that every shard knows it.

Of every 200 pages in a row each kind has a fixed number, in a drawn order. The smallest sample thus has every kind, and
the shares are the same in a sample of any size.
"""

from __future__ import annotations

from functools import lru_cache

from stages.sample.config import SampleConfig
from stages.sample.draw import Draw

BLOCK = 200
ARTICLE = "article"
TRUNCATED = "truncated_record"

KEPT = {"article_with_line_junk": 8, "article_with_bad_byte": 4, "article_in_cp1252": 3, "article_in_utf16": 2}
"""Good pages with something that must be mended on the way; plain articles fill the block up."""
COPIES = {"near_duplicate": 10, "exact_duplicate": 6, "recrawl": 10}
"""Pages that repeat an earlier article: with an edit, under another address, or (second dump) under the same one."""
READ = {"damaged_record": 1, "not_html": 2, "empty_body": 1, "http_status": 1, "no_url": 1}
URL = {"blocked_domain": 4, "strict_word": 1, "hard_word": 2, "soft_words": 1, "excluded_host": 2}
TEXT = {"no_text": 1, "other_language": 14, "low_score": 1}
REPETITION = {
    "duplicate_lines": 2,
    "duplicate_line_chars": 1,
    "top_2_gram": 1,
    "top_3_gram": 1,
    "top_4_gram": 1,
    "duplicate_5_gram": 2,
    "duplicate_8_gram": 1,
}
QUALITY = {
    "too_few_words": 4,
    "short_words": 1,
    "long_words": 1,
    "hashes": 1,
    "ellipses": 1,
    "bullet_lines": 1,
    "ellipsis_lines": 1,
    "few_alphabetic_words": 1,
    "few_stop_words": 2,
}
LINES = {"too_many_words_removed": 1}

STEPS: dict[str, dict[str, int]] = {
    "read": READ,
    "url": URL,
    "extraction": {"no_text": TEXT["no_text"]},
    "language": {name: count for name, count in TEXT.items() if name != "no_text"},
    "repetition": REPETITION,
    "quality": QUALITY,
    "lines": LINES,
}
"""Kinds of pages that must be dropped, by the step of the web stage that must do it; a kind is that step's reason."""

STEP_OF = {kind: step for step, kinds in STEPS.items() for kind in kinds} | {TRUNCATED: "read"}


def _slots() -> list[str]:
    counts = {**KEPT, **COPIES}
    for kinds in STEPS.values():
        counts.update(kinds)
    slots = [kind for kind, count in counts.items() for _ in range(count)]
    return [*slots, *[ARTICLE] * (BLOCK - len(slots))]


SLOTS = _slots()


@lru_cache(maxsize=256)
def _block(seed: int, block: int) -> tuple[str, ...]:
    return tuple(Draw("kinds", seed, block).shuffled(SLOTS))


def kind_of(config: SampleConfig, page: int) -> str:
    """Return a page's kind. The last page of each dump is cut off in the middle, as a broken download is."""
    if page in (config.pages_of(config.files_per_dump - 1)[-1], config.pages - 1):
        return TRUNCATED
    kind = _block(config.seed, page // BLOCK)[page % BLOCK]
    # Only the second dump can crawl again, and what copies needs something before it.
    if kind in COPIES and original_of(config, page, kind) is None:
        return ARTICLE
    return kind


def original_of(config: SampleConfig, page: int, kind: str) -> int | None:
    """Return the plain article that a page of this kind copies, always an earlier one, or None if there is none.

    A recrawled page is one of the first dump; the others may copy from either.
    """
    first_of_second = config.pages_of(config.files_per_dump)[0]
    end = page
    if kind == "recrawl":
        end = first_of_second if page >= first_of_second else 0
    original = Draw("original", config.seed, page).below(end)
    while original >= 0 and not _is_plain_article(config, original):
        original -= 1
    return original if original >= 0 else None


def _is_plain_article(config: SampleConfig, page: int) -> bool:
    return _block(config.seed, page // BLOCK)[page % BLOCK] == ARTICLE and page + 1 not in (
        config.pages_of(config.files_per_dump - 1).stop,
        config.pages,
    )
