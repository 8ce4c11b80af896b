from collections import Counter

import pytest

from stages.sample.config import BLOCK, SampleConfig
from stages.sample.kinds import (
    ARTICLE,
    CHINESE,
    COPIES,
    ENGLISH,
    SAME_URL,
    STEP_OF,
    TRUNCATED,
    WITH_PASSAGE,
    Slot,
    block_of,
    original_of,
    slot_of,
    slots,
)


@pytest.mark.parametrize("pages", [500, 1_000])
def test_even_a_small_sample_has_every_kind_in_both_languages(pages: int) -> None:
    config = SampleConfig(pages=pages)
    kinds = Counter(slot_of(config, page) for page in range(pages))
    wanted = {Slot(kind, code) for code, counts in (("en", ENGLISH), ("zh", CHINESE)) for kind in (ARTICLE, *counts)}
    assert wanted <= set(kinds)
    assert sum(count for slot, count in kinds.items() if slot.kind == TRUNCATED) == 2


def test_every_kind_that_must_be_dropped_is_planted() -> None:
    assert set(STEP_OF) - {TRUNCATED} <= {*ENGLISH, *CHINESE}


@pytest.mark.parametrize("chinese", [0, 50, 200])
def test_the_shares_are_those_of_a_crawl_with_many_good_pages(chinese: int) -> None:
    found = slots(chinese)
    assert Counter(slot.language for slot in found) == Counter({"en": BLOCK, "zh": chinese})
    for language in ("en", "zh")[: 1 + bool(chinese)]:
        own = [slot.kind for slot in found if slot.language == language]
        assert 0.5 <= sum(kind not in STEP_OF for kind in own) / len(own) <= 0.95


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_copy_has_an_earlier_plain_article_of_its_language_as_its_original(seed: int) -> None:
    config = SampleConfig(pages=1_500, files_per_dump=3, seed=seed)
    second = config.pages_of(3)[0]
    for page in range(config.pages):
        if (slot := slot_of(config, page)).kind in COPIES:
            original = original_of(config, page, slot)
            assert original is not None and original < page
            assert slot_of(config, original) == Slot(ARTICLE, slot.language)
            if slot.kind in SAME_URL:
                assert original < second <= page


def test_copies_reach_over_the_border_between_the_dumps() -> None:
    config = SampleConfig(pages=2_000)
    second = config.pages_of(2)[0]
    across = [
        page
        for page in range(second, config.pages)
        if (slot := slot_of(config, page)).kind in ("near_duplicate", "exact_duplicate")
        and (original_of(config, page, slot) or 0) < second
    ]
    assert across


@pytest.mark.parametrize("pages", [250, 499, 500, 1_001])
def test_every_passage_is_on_several_pages(pages: int) -> None:
    config = SampleConfig(pages=pages)
    found = [(page, slot_of(config, page)) for page in range(pages)]
    carriers = Counter((block_of(config, page), slot.language) for page, slot in found if slot.kind in WITH_PASSAGE)
    assert len(carriers) == 2 * (pages // 250)
    assert min(carriers.values()) >= 3


def test_a_page_of_a_million_is_known_without_the_others() -> None:
    config = SampleConfig(pages=1_000_000)
    assert slot_of(config, 999_998).kind in {ARTICLE, *ENGLISH, *CHINESE}
    assert slot_of(config, 999_999).kind == TRUNCATED
