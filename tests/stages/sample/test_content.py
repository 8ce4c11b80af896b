from stages.sample import chinese, prose
from stages.sample.content import DRESSED, TONGUES, UNREADABLE, Content, answer
from stages.sample.draw import Draw
from stages.sample.kinds import CHINESE, ENGLISH, STEPS
from stages.sample.world import make_world

WORLD = make_world(1)


def made(kind: str, code: str = "en", number: int = 1) -> Content:
    return answer(kind, TONGUES[code], WORLD, Draw("text", number), Draw("dress", number), "A passage.")


def test_pages_are_broken_in_the_way_their_kind_says() -> None:
    assert made("empty_body").body.strip() == b""
    assert made("not_html").body[:4] in (b"%PDF", b"\x89PNG")
    assert made("http_status").status.startswith("404")
    assert b"<p>" not in made("no_text").body.partition(b"<footer>")[0]


def test_a_bad_byte_is_no_utf8_in_either_language() -> None:
    for code in TONGUES:
        assert b"\xff" in made("article_with_bad_byte", code).body


def test_western_character_sets_are_declared_in_several_ways_some_of_them_wrong() -> None:
    pages = [made("article_in_cp1252", number=number) for number in range(20)]
    assert len({page.content_type for page in pages}) == 3
    assert all(prose.WESTERN in page.body.decode("cp1252") for page in pages)
    assert made("article_in_utf16").body.startswith(b"\xff\xfe")


def test_chinese_character_sets_are_declared_by_the_page_or_by_the_server() -> None:
    pages = [made("article_in_gb18030", "zh", number) for number in range(40)]
    assert {page.content_type for page in pages} == {
        *("text/html", "text/html; charset=gb2312", "text/html; charset=GB18030")
    }
    texts = [page.body.decode("gb18030") for page in pages]
    assert all(chinese.NOTE in text for text in texts)
    assert all((chinese.RARE in text) == ('charset="gb18030"' in text) for text in texts)
    assert any("gbk" in text for text in texts)


def test_a_passage_stands_in_a_paragraph_of_its_own() -> None:
    for kind in ("article_with_passage", "too_short_after_cut"):
        for code in TONGUES:
            assert b"<p>A passage.</p>" in made(kind, code).body


def test_the_language_is_known_unless_there_is_none() -> None:
    assert {made("article", code).language for code in TONGUES} == {"en", "zh"}
    assert made("other_language").language in {"de", "es", "fr", "it", "ru"}
    assert made("other_language", "zh").language == "ja"
    assert {made(kind).language for kind in (*UNREADABLE, "low_score")} == {""}


def test_every_kind_of_dress_is_worn() -> None:
    assert set(DRESSED) <= {*ENGLISH, *CHINESE, *STEPS["read"]}
