from collections import Counter

import pytest

from stages.sample.config import SampleConfig
from stages.sample.kinds import ARTICLE, BLOCK, COPIES, KEPT, SLOTS, STEP_OF, TRUNCATED, kind_of, original_of


@pytest.mark.parametrize("pages", [200, 1_000])
def test_even_the_smallest_sample_has_every_kind(pages: int) -> None:
    config = SampleConfig(pages=pages)
    kinds = Counter(kind_of(config, page) for page in range(pages))
    assert set(kinds) == {ARTICLE, TRUNCATED, *KEPT, *COPIES, *STEP_OF}
    assert kinds[TRUNCATED] == 2


def test_the_shares_are_those_of_a_crawl_with_many_good_pages() -> None:
    good = (SLOTS.count(ARTICLE) + sum(KEPT.values())) / BLOCK
    assert len(SLOTS) == BLOCK
    assert 0.55 <= good <= 0.60


def test_a_copy_has_an_earlier_plain_article_as_its_original() -> None:
    config = SampleConfig(pages=2_000, files_per_dump=3)
    second = config.pages_of(3)[0]
    for page in range(config.pages):
        if (kind := kind_of(config, page)) in COPIES:
            original = original_of(config, page, kind)
            assert original is not None and original < page
            assert kind_of(config, original) == ARTICLE
            if kind == "recrawl":
                assert original < second <= page


def test_copies_reach_over_the_border_between_the_dumps() -> None:
    config = SampleConfig(pages=2_000)
    second = config.pages_of(2)[0]
    across = [
        page
        for page in range(second, config.pages)
        if kind_of(config, page) in ("near_duplicate", "exact_duplicate")
        and (original_of(config, page, kind_of(config, page)) or 0) < second
    ]
    assert across


def test_a_page_of_a_million_is_known_without_the_others() -> None:
    config = SampleConfig(pages=1_000_000)
    assert kind_of(config, 999_998) in {ARTICLE, *KEPT, *COPIES, *STEP_OF}
    assert kind_of(config, 999_999) == TRUNCATED
