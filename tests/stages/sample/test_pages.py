from stages.sample.config import SampleConfig
from stages.sample.kinds import ARTICLE, KEPT, kind_of
from stages.sample.pages import BLOCKED_ADDRESSES, is_damaged, is_truncated, make_page
from stages.sample.world import make_world

CONFIG = SampleConfig(pages=1_000)
WORLD = make_world(CONFIG.seed)
PAGES = [make_page(CONFIG, WORLD, number) for number in range(CONFIG.pages)]


def body_of(kind: str) -> bytes:
    return next(page.response.body for page in PAGES if page.key.kind == kind)


def test_a_page_depends_on_its_number_alone() -> None:
    assert make_page(CONFIG, WORLD, 777) == PAGES[777]


def test_the_key_says_keep_for_good_pages_and_a_step_and_a_reason_for_the_others() -> None:
    for number, page in enumerate(PAGES):
        kept = kind_of(CONFIG, number) in (ARTICLE, *KEPT)
        assert page.key.verdict == ("keep" if kept else "drop")
        assert bool(page.key.step) == bool(page.key.reason) == (not kept)


def test_ids_differ_and_each_group_has_one_page_to_keep() -> None:
    assert len({page.key.id for page in PAGES}) == len(PAGES)
    good = [page.key for page in PAGES if page.key.verdict == "keep" or page.key.step == "dedup"]
    for group in {key.group for key in good}:
        assert [key.verdict for key in good if key.group == group].count("keep") == 1


def test_a_recrawled_page_has_the_address_of_the_other_dump_and_a_copy_has_its_own() -> None:
    by_group = {page.key.group: page.key for page in PAGES if page.key.verdict == "keep"}
    for page in PAGES:
        if page.key.step == "dedup":
            original = by_group[page.key.group]
            assert (page.key.url == original.url) == (page.key.kind == "recrawl")
            if page.key.kind == "recrawl":
                assert page.key.dump != original.dump
                assert page.response.date > "2025"


def test_broken_pages_are_broken_in_the_way_their_kind_says() -> None:
    assert body_of("empty_body").strip() == b""
    assert b"\xff" in body_of("article_with_bad_byte")
    assert body_of("article_in_utf16").startswith(b"\xff\xfe")
    assert "Crème".encode("cp1252") in body_of("article_in_cp1252")
    assert body_of("not_html")[:4] in (b"%PDF", b"\x89PNG")
    assert next(page for page in PAGES if page.key.kind == "no_url").response.url == ""
    assert next(page for page in PAGES if page.key.kind == "http_status").response.status.startswith("404")
    assert sum(map(is_damaged, PAGES)) == 5
    assert [number for number, page in enumerate(PAGES) if is_truncated(page)] == [499, 999]


def test_blocked_pages_have_their_own_addresses() -> None:
    for kind in BLOCKED_ADDRESSES:
        addresses = [page.response.url for page in PAGES if page.key.kind == kind]
        assert len(addresses) == len(set(addresses)) >= 5
