"""Responses for each kind of page: the bytes, in one of many charsets, and the headers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from stages.sample import chinese, chinese_spam, html, prose, spam
from stages.sample.draw import Draw
from stages.sample.tongues import foreign, mixed
from stages.sample.world import World

Text = tuple[str, list[str]]
"""A title and paragraphs."""


@dataclass(frozen=True)
class Content:
    """A body with its headers."""

    body: bytes
    content_type: str = "text/html; charset=utf-8"
    status: str = "200 OK"
    language: str = ""
    """Language code of the text; empty if it has none."""


@dataclass(frozen=True)
class Tongue:
    """The functions and texts that tell the world in one language."""

    code: str
    article: Callable[[World, Draw], Text]
    passage: Callable[[Draw], str]
    spam: Callable[[Draw, str], Text]
    """Takes the reason with which the web stage must drop the page."""
    short: Callable[[Draw], Text]
    """A text of less than fifty words."""
    read_again: Callable[[Draw], str]
    """A sentence that makes a near-duplicate of an article."""
    junk: tuple[tuple[str, ...], ...]
    """Junk lines that sites put into articles; one of each row goes into a page."""
    thanks: str
    """A sentence with NUL in the place of a bad byte."""


TONGUES = {
    "en": Tongue(
        code="en",
        article=prose.article,
        passage=prose.passage,
        spam=spam.spam,
        short=spam.short,
        read_again=prose.read_again,
        junk=(
            ("{n} likes", "1 comment", "{n}K followers", "{n} shares"),
            ("Read more...", "TOP STORY", "Advertisement", "{n}.{n}.{n}"),
        ),
        thanks=" Thank you \0 for reading.",
    ),
    "zh": Tongue(
        code="zh",
        article=chinese.article,
        passage=chinese.passage,
        spam=chinese_spam.spam,
        short=chinese_spam.short,
        read_again=chinese.read_again,
        junk=(
            ("点赞 {n}", "{n}条评论", "{n}万次阅读", "分享{n}次"),
            ("阅读全文", "展开更多……", "{n}.{n}.{n}"),
        ),
        thanks="感谢\0您的阅读。",
    ),
}


def answer(kind: str, tongue: Tongue, world: World, text: Draw, dress: Draw, passage: str) -> Content:
    """Return the response for a page. `text` draws the words, `dress` the markup around them."""
    if kind in spam.MAKERS or kind in chinese_spam.MAKERS:
        return plain(tongue, dress, *tongue.spam(text, kind))
    if kind == "too_short_after_cut":
        title, paragraphs = tongue.short(text)
        return plain(tongue, dress, title, [*paragraphs, passage])
    if kind == "other_language":
        language, title, paragraphs = foreign(text, tongue.code)
        return Content(html.page(dress, title, paragraphs, language=language).encode(), language=language)
    if kind == "low_score":
        return Content(html.page(dress, *mixed(text)).encode())
    if kind in UNREADABLE:
        return UNREADABLE[kind](dress)
    title, paragraphs = tongue.article(world, text)
    if kind == "article_with_passage":
        return plain(tongue, dress, title, [*paragraphs, passage])
    return DRESSED.get(kind, plain)(tongue, dress, title, paragraphs)


def plain(tongue: Tongue, draw: Draw, title: str, paragraphs: list[str]) -> Content:
    """Return a text as a page of its language."""
    text = html.page(draw, title, paragraphs, language=tongue.code)
    return Content(text.encode(), language=tongue.code)


def near_duplicate(tongue: Tongue, draw: Draw, title: str, paragraphs: list[str]) -> Content:
    """Return the article with an additional sentence: about a twentieth of its shingles are new."""
    return plain(tongue, draw, title, [*paragraphs[:-1], paragraphs[-1] + tongue.read_again(draw)])


def line_junk(tongue: Tongue, draw: Draw, title: str, paragraphs: list[str]) -> Content:
    """Return the article with junk lines after its first paragraph and at its end."""
    number = draw.between(2, 99)
    lines = [draw.pick(row).format(n=number) for row in tongue.junk]
    return plain(tongue, draw, title, [paragraphs[0], lines[0], *paragraphs[1:], lines[1]])


def bad_byte(tongue: Tongue, draw: Draw, title: str, paragraphs: list[str]) -> Content:
    """Return the article with a byte that is invalid in its charset."""
    text = html.page(draw, title, [*paragraphs[:-1], paragraphs[-1] + tongue.thanks], language=tongue.code)
    return Content(text.encode().replace(b"\0", b"\xff"), language=tongue.code)


def cp1252(tongue: Tongue, draw: Draw, title: str, paragraphs: list[str]) -> Content:
    """Return the article in cp1252, declared in its meta element, as latin-1 in the header, or wrongly as UTF-8."""
    declared, content_type = draw.pick(
        (
            ("windows-1252", "text/html"),
            ("iso-8859-1", "text/html; charset=ISO-8859-1"),
            ("utf-8", "text/html; charset=utf-8"),
        )
    )
    text = html.page(draw, title, [*paragraphs, prose.WESTERN], charset=declared, language=tongue.code)
    return Content(text.encode("cp1252"), content_type, language=tongue.code)


def utf16(tongue: Tongue, draw: Draw, title: str, paragraphs: list[str]) -> Content:
    """Return the article in UTF-16 with a byte order mark."""
    text = html.page(draw, title, [*paragraphs, prose.WESTERN], charset="utf-16", language=tongue.code)
    return Content(("\ufeff" + text).encode("utf-16-le"), "text/html", language=tongue.code)


def gb18030(tongue: Tongue, draw: Draw, title: str, paragraphs: list[str]) -> Content:
    """Return the article in GBK, declared as GBK or as the older GB2312, or in GB18030, in the page or the header."""
    declared, content_type, note = draw.pick(
        (
            ("gbk", "text/html", chinese.NOTE),
            ("gb2312", "text/html; charset=gb2312", chinese.NOTE),
            ("gb18030", "text/html", chinese.NOTE + chinese.RARE),
            ("gb18030", "text/html; charset=GB18030", chinese.NOTE + chinese.RARE),
        )
    )
    text = html.page(draw, title, [*paragraphs, note], charset=declared, language=tongue.code)
    return Content(text.encode("gb18030"), content_type, language=tongue.code)


def http_status(tongue: Tongue, draw: Draw, title: str, paragraphs: list[str]) -> Content:
    """Return the article with an error status."""
    return replace(plain(tongue, draw, title, paragraphs), status="404 Not Found")


DRESSED: dict[str, Callable[[Tongue, Draw, str, list[str]], Content]] = {
    "near_duplicate": near_duplicate,
    "article_with_line_junk": line_junk,
    "article_with_bad_byte": bad_byte,
    "article_in_cp1252": cp1252,
    "article_in_utf16": utf16,
    "article_in_gb18030": gb18030,
    "http_status": http_status,
}
"""Kinds that are an article in another form; kinds that are not named here are plain pages."""


def not_html(draw: Draw) -> Content:
    """Return a PDF that is served as HTML, or a picture."""
    noise = bytes(draw.below(256) for _ in range(2_000))
    if draw.chance(0.5):
        return Content(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + noise)
    return Content(b"\x89PNG\r\n\x1a\n" + noise, "image/png")


def empty_body(draw: Draw) -> Content:
    """Return nothing, or blank lines."""
    return Content(b"\r\n" * draw.below(3))


def no_text(draw: Draw) -> Content:
    """Return a page that only its scripts would fill."""
    content = f'<div id="app{draw.below(100)}"></div><img src="/wait.gif" alt="">'
    return Content(html.frame(draw, "Loading", content).encode())


UNREADABLE: dict[str, Callable[[Draw], Content]] = {"not_html": not_html, "empty_body": empty_body, "no_text": no_text}
