from stages.sample.draw import Draw
from stages.sample.tongues import SENTENCES, foreign, mixed


def test_all_languages_occur_and_no_blank_is_left() -> None:
    pages = [foreign(Draw("foreign", number), among) for number in range(100) for among in ("en", "zh")]
    assert {language for language, _, _ in pages} == set(SENTENCES)
    assert not any("{" in text for _, title, paragraphs in pages for text in (title, *paragraphs))


def test_among_chinese_pages_the_foreign_ones_look_like_them() -> None:
    assert {foreign(Draw("foreign", number), "zh")[0] for number in range(20)} == {"ja"}
    assert "ja" not in {foreign(Draw("foreign", number), "en")[0] for number in range(100)}


def test_the_mixed_page_differs_from_draw_to_draw() -> None:
    assert mixed(Draw("mixed", 1)) != mixed(Draw("mixed", 2))
