import re
from html import unescape

from stages.sample.config import SampleConfig
from stages.sample.kinds import COPIES, STEP_OF, TRUNCATED, slot_of
from stages.sample.pages import BLOCKED_URLS, SamplePage, is_damaged, is_truncated, make_page
from stages.sample.world import make_world

CONFIG = SampleConfig(pages=1_250)
WORLD = make_world(CONFIG.seed)
PAGES = [make_page(CONFIG, WORLD, number) for number in range(CONFIG.pages)]


def test_a_page_depends_on_its_number_alone() -> None:
    assert make_page(CONFIG, WORLD, 777) == PAGES[777]


def test_the_key_says_keep_for_good_pages_and_a_step_and_a_reason_for_the_others() -> None:
    for number, page in enumerate(PAGES):
        kept = slot_of(CONFIG, number).kind not in STEP_OF
        assert page.key.verdict == ("keep" if kept else "drop")
        assert bool(page.key.step) == bool(page.key.reason) == (not kept)


def test_the_key_names_the_language_a_page_is_written_in() -> None:
    languages = {page.key.language for page in PAGES}
    assert languages == {"en", "zh", "de", "fr", "es", "it", "ru", "ja", ""}
    for page in PAGES:
        assert (f'<html lang="{page.key.language}"'.encode() in page.response.body.replace(b"\0", b"")) or not (
            page.key.language
        )


def test_ids_differ_and_each_group_has_one_page_to_keep() -> None:
    assert len({page.key.id for page in PAGES}) == len(PAGES)
    good = [page.key for page in PAGES if page.key.verdict == "keep" or page.key.step == "dedup"]
    for group in {key.group for key in good}:
        assert [key.verdict for key in good if key.group == group].count("keep") == 1


def test_a_page_crawled_again_has_the_address_of_the_other_dump_and_a_copy_has_its_own() -> None:
    by_group = {page.key.group: page.key for page in PAGES if page.key.verdict == "keep"}
    for page in PAGES:
        if page.key.step == "dedup":
            original = by_group[page.key.group]
            assert original.language == page.key.language
            assert (page.key.url == original.url) == (page.key.kind == "recrawl")
            if page.key.kind == "recrawl":
                assert page.key.dump != original.dump
                assert page.response.date > "2025"


def test_an_address_seen_before_has_another_text_now() -> None:
    kept = {page.key.url: page for page in PAGES if page.key.verdict == "keep"}
    again = [page for page in PAGES if page.key.reason == "seen_url"]
    assert again
    for page in again:
        assert page.key.dump != kept[page.key.url].key.dump
        assert page.key.group not in {other.key.group for other in PAGES if other is not page}
        assert page.response.body != kept[page.key.url].response.body


def test_the_key_holds_the_passage_that_a_page_carries() -> None:
    carriers = [page for page in PAGES if page.key.passage]
    assert {page.key.kind for page in carriers} == {"article_with_passage", "too_short_after_cut"}
    for page in carriers:
        assert f"<p>{page.key.passage}</p>".encode() in page.response.body
        assert sum(other.key.passage == page.key.passage for other in carriers) >= 3


def test_spoilt_records_are_marked() -> None:
    assert sum(map(is_damaged, PAGES)) == 5
    assert [number for number, page in enumerate(PAGES) if is_truncated(page)] == [624, 1_249]
    assert next(page for page in PAGES if page.key.kind == "no_url").response.url == ""
    assert [page.key.kind for page in PAGES if is_truncated(page)] == [TRUNCATED] * 2


def test_blocked_pages_have_their_own_addresses() -> None:
    for kind in BLOCKED_URLS:
        addresses = [page.response.url for page in PAGES if page.key.kind == kind]
        assert len(addresses) == len(set(addresses)) >= 5


def test_only_copies_share_an_address() -> None:
    fresh = [page.response.url for page in PAGES if page.key.kind not in (*COPIES, "no_url")]
    assert len(fresh) == len(set(fresh))


CHARSETS = {"article_in_utf16": "utf-16", "article_in_cp1252": "cp1252", "article_in_gb18030": "gb18030"}
TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]")


def tokens_of(page: SamplePage) -> list[str]:
    """Return words and marks of an article, Chinese characters one by one, without the passage it carries."""
    text = page.response.body.decode(CHARSETS.get(page.key.kind, "utf-8"), errors="replace")
    article = unescape(re.sub(r"<[^>]*>", " ", text.partition("<article>")[2].partition("</article>")[0]))
    return TOKEN.findall(article.replace(page.key.passage, " ") if page.key.passage else article)


def test_good_pages_share_no_run_of_fifty_tokens_but_their_passages() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for page in (page for page in PAGES if page.key.verdict == "keep"):
        tokens = tokens_of(page)
        assert len(tokens) > 100
        for start in range(len(tokens) - 49):
            run = tuple(tokens[start : start + 50])
            assert seen.setdefault(run, page.key.id) == page.key.id, " ".join(run)
