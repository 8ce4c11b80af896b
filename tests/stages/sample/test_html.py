import re

from stages.sample.draw import Draw
from stages.sample.html import FURNITURE, page, page_url


def test_the_text_stands_among_navigation_sidebar_and_footer() -> None:
    text = page(Draw("dress"), "A & B", ["one < two", "three"])
    assert "<h1>A &amp; B</h1>\n<p>one &lt; two</p>\n<p>three</p>" in text
    assert all(f"<{tag}>" in text for tag in ("nav", "aside", "footer", "article"))


def test_the_same_text_is_dressed_in_different_ways() -> None:
    assert len({page(Draw("dress", number), "A", ["b"]) for number in range(20)}) == 20


def test_a_chinese_page_has_chinese_things_around_it() -> None:
    text = page(Draw("dress"), "标题", ["正文"], language="zh")
    assert '<html lang="zh">' in text
    assert not re.findall(r">[A-Za-z ]+</a>", text)
    assert len(re.findall(r">[\u4e00-\u9fff]+</a>", text)) >= 9


def test_urls_are_made_up_hosts_and_differ() -> None:
    urls = {page_url(1, number, language) for number in range(500) for language in FURNITURE}
    assert len(urls) == 1_000
    assert all(".example/" in name and name.isascii() for name in urls)
