import random
import re

import pytest

from stages.web.extract.cleaning import URL, Cleaner
from stages.web.settings import ExtractionSettings

CLEANER = Cleaner(ExtractionSettings())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\n\n\nb", "a\n\nb"),
        ("a \r\n\t b  ", "a\n\t b"),
        ("def f():\n    x = 1\n\n\tif x:\n  - item\n", "def f():\n    x = 1\n\n\tif x:\n  - item"),
        ("    first = 1\n    second = 2", "    first = 1\n    second = 2"),
        ("see https://a.example/x?y=1, www.b.example and FTP://c", "see ,  and"),
        ("an e.g. and 3.5 stay", "an e.g. and 3.5 stay"),
        ("", ""),
        ("https://a.example", ""),
    ],
)
def test_texts_are_cleaned(text: str, expected: str) -> None:
    assert CLEANER.clean(text) == expected


def test_addresses_stay_if_asked() -> None:
    assert Cleaner(ExtractionSettings(remove_urls=False)).clean("see www.b.example") == "see www.b.example"


def test_as_many_newlines_stay_as_asked() -> None:
    assert Cleaner(ExtractionSettings(max_newlines=1)).clean("a\n\nb\n \n \nc") == "a\nb\nc"


def test_lines_are_trimmed_as_one_expression_over_the_text_would() -> None:
    spaces = re.compile(r"[ \t\u00a0]+(?=\n|$)")
    draw = random.Random(1)
    for _ in range(3_000):
        text = "".join(draw.choices(" \t\u00a0\n\rab", k=draw.randrange(14)))
        plain = text.replace("\r\n", "\n").replace("\r", "\n")
        assert CLEANER.clean(text) == re.sub("\n{3,}", "\n\n", spaces.sub("", plain)).strip("\n"), repr(text)


def test_the_quick_look_for_addresses_misses_none() -> None:
    for text in ("HTTPS://a", "x WWW.a.b", "ftp://c", "wWw.d"):
        assert URL.search(text)
        assert CLEANER.clean(text) in ("", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("资料见：https://a.example/b。然后他走了", "资料见：。然后他走了"),
        ("请看https://a.example的网站", "请看的网站"),
        ("見https://a.example/b（図）です。", "見（図）です。"),
        ("これはhttps://a.example/bというページ", "これはというページ"),
        ("ดูhttps://a.exampleครับ", "ดูครับ"),
        ("https://a.example를 보세요", "를 보세요"),
        ("انظرhttps://a.example/bوالسلام", "انظروالسلام"),
        ("смотриhttps://a.example/bздесь", "смотриздесь"),
        ("甲https://a.example，https://b.example、乙", "甲，、乙"),
        ("A，Bhttp://a.example/c.html；D", "A，B；D"),
        ("官网www.a.example！好", "官网！好"),
        ("https://a.example/c(官网)好", "(官网)好"),
        ("xhttps://a.example/ y", "x y"),
    ],
)
def test_text_that_touches_a_url_stays_in_any_script(text: str, expected: str) -> None:
    assert CLEANER.clean(text) == expected


@pytest.mark.parametrize(
    "url",
    [
        "https://en.wikipedia.org/wiki/A_(b)",
        "https://en.wikipedia.org/wiki/A_(b_(c))_d",
        "http://[2001:db8::1]:8080/x?y=[1]&z=(2)",
        "http://user:word@host.example:81/a;b=c,d",
        "https://a.example/%E4%B8%AD%E6%96%87?q=%28",
        "https://de.wikipedia.org/wiki/Zürich",
        "http://bücher.example/a",
        "http://президент.рф/x",
        "http://例子.中国/a",
        "HTTPS://A.EXAMPLE/~me/#top!x",
        "ftp://a.example/a+b/c@d/'e'f",
        "www.a.example/x",
    ],
)
def test_the_whole_of_a_url_goes_and_the_sentence_around_it_stays(url: str) -> None:
    assert CLEANER.clean(f"see {url} now") == "see  now"
    for after in (".", ",", "?", "!", ":", "; ", "..."):
        assert CLEANER.clean(f"see {url}{after}") == f"see {after}".rstrip()
    assert CLEANER.clean(f"(see {url})") == "(see )"
    assert CLEANER.clean(f"word ({url}) word") == "word word"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a (https://x.example) b", "a b"),
        ("a ( https://x.example ). B", "a. B"),
        ("a (https://x.example, www.y.example) b", "a b"),
        ("a <https://x.example> b [https://y.example]", "a b"),
        ("甲（https://x.example）乙「https://y.example」", "甲乙"),
        ("[text](https://x.example)", "[text]"),
        ("a () b ( ) stay", "a () b ( ) stay"),
        ("- https://x.example\n    https://y.example rest\nhttps://z.example rest", "-\n    rest\nrest"),
        ("http:// and www. and http://... are none", "http:// and www. and http://... are none"),
        ("awww.cute and e.g. a://b", "awww.cute and e.g. a://b"),
    ],
)
def test_what_a_url_leaves_behind_is_closed_up(text: str, expected: str) -> None:
    assert CLEANER.clean(text) == expected


def test_hostile_texts_are_cleaned_in_linear_time() -> None:
    pieces = ("http://", "http://a(", "(http://a", "www.", "http://é", "(a", "([", ".", ", ", "\u00a0", "http://a.")
    for piece in pieces:
        CLEANER.clean(piece * 30_000)
        CLEANER.clean("http://a" + piece * 30_000)
        CLEANER.clean("(" + piece * 30_000 + " http://a")
