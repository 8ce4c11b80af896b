"""Builds one page of a dump, from its number: what the server answered, and what must become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from stages.sample import html
from stages.sample.config import SampleConfig
from stages.sample.draw import Draw
from stages.sample.kinds import COPIES, STEP_OF, TRUNCATED, URL, kind_of, original_of
from stages.sample.prose import article
from stages.sample.spam import MAKERS, spam
from stages.sample.tongues import foreign, mixed
from stages.sample.warc import Response, record_id
from stages.sample.world import PLACES, World

FIRST_PAGE = (datetime(2024, 10, 7), datetime(2025, 5, 12))
"""When each dump began; a page is fetched every seven seconds."""

BLOCKED_DOMAINS = ("bestcasinobonus.net", "bestwarezsites.com", "horsetrackbetting.net", "bestinternetslots.net")
"""Real entries of the UT1 list."""
BLOCKED_ADDRESSES: dict[str, tuple[str, ...]] = {
    "blocked_domain": tuple(f"http://www.{domain}/{{page}}.html" for domain in BLOCKED_DOMAINS),
    "strict_word": ("https://www.gazette.example/x-video.archive/{page}.html", "https://my.sex-shop.example/{page}"),
    "hard_word": ("https://www.herald.example/cheap/VIAGRA/{page}.html", "https://almanac.example/%6Eude-{page}.html"),
    "soft_words": ("https://www.courier.example/poker-bonus/{page}.html", "https://live.girls.example/{page}"),
    "excluded_host": ("https://en.wikipedia.org/wiki/Place_{page}", "https://old.reddit.com/r/places/comments/{page}/"),
}
JUNK: tuple[tuple[str, ...], ...] = (
    ("{n} likes", "1 comment", "{n}K followers", "{n} shares"),
    ("Read more...", "TOP STORY", "Advertisement", "{n}.{n}.{n}"),
)
"""Lines that sites put into their articles; one of each row goes into a page."""
WESTERN = "A note says: “Crème brûlée and café au lait at the Swan – only £4 – it’s as good as in Zürich.”"
"""A sentence with what cp1252 and UTF-8 write differently."""


@dataclass(frozen=True)
class Key:
    """One line of key.jsonl: what must become of a page."""

    id: str
    url: str
    dump: str
    kind: str
    verdict: str
    """keep or drop. Of a duplicate group the first page stays; that one is keep."""
    step: str
    """The step of the web stage that drops it, or empty."""
    reason: str
    """That step's reason, or empty."""
    group: str
    """Pages with the same group tell the same; exactly one of them stays."""


@dataclass(frozen=True)
class SamplePage:
    """A response, its line of the key, and whether its record is to be spoilt."""

    response: Response
    key: Key

    def key_row(self) -> dict[str, Any]:
        """Return the line of key.jsonl."""
        return asdict(self.key)


@dataclass(frozen=True)
class _Content:
    body: bytes
    content_type: str = "text/html; charset=utf-8"
    status: str = "200 OK"


def make_page(config: SampleConfig, world: World, page: int) -> SamplePage:
    """Return a page. Depends on the config and the number alone; a copy makes its original's text again."""
    kind = kind_of(config, page)
    original = original_of(config, page, kind) if kind in COPIES else None
    content = _content(config, world, page, kind, original)
    dump = int(page >= config.pages_of(config.files_per_dump)[0])
    start = config.pages_of(dump * config.files_per_dump)[0]
    response = Response(
        id=record_id(config.seed, page),
        url=_address(config, page, kind, original),
        date=(FIRST_PAGE[dump] + timedelta(seconds=7 * (page - start))).strftime("%Y-%m-%dT%H:%M:%SZ"),
        status=content.status,
        content_type=content.content_type,
        body=content.body,
    )
    step = "dedup" if original is not None else STEP_OF.get(kind, "")
    key = Key(
        id=response.id,
        url=response.url,
        dump=config.dumps[dump],
        kind=kind,
        verdict="drop" if step else "keep",
        step=step,
        reason={"recrawl": "exact_duplicate"}.get(kind, kind) if step else "",
        group=f"{page if original is None else original:07d}",
    )
    return SamplePage(response, key)


def _address(config: SampleConfig, page: int, kind: str, original: int | None) -> str:
    if kind == "no_url":
        return ""
    if kind in URL:
        return Draw("blocked", config.seed, page).pick(BLOCKED_ADDRESSES[kind]).format(page=page)
    return html.address(config.seed, original if kind == "recrawl" and original is not None else page)


def _content(config: SampleConfig, world: World, page: int, kind: str, original: int | None) -> _Content:
    dress = Draw("dress", config.seed, page)
    if kind in MAKERS:
        return _html(html.page(dress, *spam(Draw("spam", config.seed, page), kind)))
    if kind == "other_language":
        language, title, paragraphs = foreign(Draw("foreign", config.seed, page))
        return _html(html.page(dress, title, paragraphs, language=language))
    if kind == "low_score":
        return _html(html.page(dress, *mixed(Draw("mixed", config.seed, page))))
    if kind in UNREADABLE:
        return UNREADABLE[kind](dress)
    title, paragraphs = article(world, Draw("article", config.seed, page if original is None else original))
    return DRESSED.get(kind, _plain)(dress, title, paragraphs)


def _html(text: str) -> _Content:
    return _Content(text.encode())


def _plain(draw: Draw, title: str, paragraphs: list[str]) -> _Content:
    return _html(html.page(draw, title, paragraphs))


def _near_duplicate(draw: Draw, title: str, paragraphs: list[str]) -> _Content:
    """Return the article with one sentence more: about seven new shingles against 140 shared ones."""
    added = f"This page was read again in {draw.pick(PLACES)} on day {draw.between(11, 89)}."
    return _plain(draw, title, [*paragraphs[:-1], f"{paragraphs[-1]} {added}"])


def _line_junk(draw: Draw, title: str, paragraphs: list[str]) -> _Content:
    number = draw.between(2, 99)
    lines = [draw.pick(row).format(n=number) for row in JUNK]
    return _plain(draw, title, [paragraphs[0], lines[0], *paragraphs[1:], lines[1]])


def _bad_byte(draw: Draw, title: str, paragraphs: list[str]) -> _Content:
    body = html.page(draw, title, [*paragraphs[:-1], paragraphs[-1] + " Thank you \0 for reading."])
    return _Content(body.encode().replace(b"\0", b"\xff"))


def _cp1252(draw: Draw, title: str, paragraphs: list[str]) -> _Content:
    """Return the article in cp1252: declared by its meta element, by its server as latin-1, or wrongly as UTF-8."""
    declared, content_type = draw.pick(
        (
            ("windows-1252", "text/html"),
            ("iso-8859-1", "text/html; charset=ISO-8859-1"),
            ("utf-8", "text/html; charset=utf-8"),
        )
    )
    text = html.page(draw, title, [*paragraphs, WESTERN], charset=declared)
    return _Content(text.encode("cp1252"), content_type)


def _utf16(draw: Draw, title: str, paragraphs: list[str]) -> _Content:
    text = "\ufeff" + html.page(draw, title, [*paragraphs, WESTERN], charset="utf-16")
    return _Content(text.encode("utf-16-le"), "text/html")


def _http_status(draw: Draw, title: str, paragraphs: list[str]) -> _Content:
    return _Content(_plain(draw, title, paragraphs).body, status="404 Not Found")


DRESSED: dict[str, Callable[[Draw, str, list[str]], _Content]] = {
    "near_duplicate": _near_duplicate,
    "article_with_line_junk": _line_junk,
    "article_with_bad_byte": _bad_byte,
    "article_in_cp1252": _cp1252,
    "article_in_utf16": _utf16,
    "http_status": _http_status,
}
"""Kinds that are an article in another dress; the kinds not named here wear none."""


def _not_html(draw: Draw) -> _Content:
    """Return a PDF that its server calls HTML, or a picture."""
    noise = bytes(draw.below(256) for _ in range(2_000))
    if draw.chance(0.5):
        return _Content(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + noise)
    return _Content(b"\x89PNG\r\n\x1a\n" + noise, "image/png")


def _empty_body(draw: Draw) -> _Content:
    return _Content(b"\r\n" * draw.below(3))


def _no_text(draw: Draw) -> _Content:
    return _html(html.frame(draw, "Loading", f'<div id="app{draw.below(100)}"></div><img src="/wait.gif" alt="">'))


UNREADABLE: dict[str, Callable[[Draw], _Content]] = {
    "not_html": _not_html,
    "empty_body": _empty_body,
    "no_text": _no_text,
}


def is_truncated(page: SamplePage) -> bool:
    """Return whether the record of this page ends in the middle."""
    return page.key.kind == TRUNCATED


def is_damaged(page: SamplePage) -> bool:
    """Return whether the record of this page has a wrong byte."""
    return page.key.kind == "damaged_record"
