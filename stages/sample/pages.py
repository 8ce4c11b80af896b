"""Builds one page of a dump from its number: the response, and its line of the answer key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from stages.sample import html
from stages.sample.config import SampleConfig
from stages.sample.content import TONGUES, answer
from stages.sample.draw import Draw
from stages.sample.kinds import (
    COPIES,
    REASON_OF,
    SAME_TEXT,
    SAME_URL,
    STEP_OF,
    STEPS,
    TRUNCATED,
    WITH_PASSAGE,
    Slot,
    block_of,
    original_of,
    slot_of,
)
from stages.sample.warc import Response, record_id
from stages.sample.world import World

FIRST_PAGE = (datetime(2024, 10, 7), datetime(2025, 5, 12))
"""Start of each dump; a page is fetched every seven seconds."""

BLOCKED_DOMAINS = ("bestcasinobonus.net", "bestwarezsites.com", "horsetrackbetting.net", "bestinternetslots.net")
"""Real entries of the UT1 list."""
BLOCKED_URLS: dict[str, tuple[str, ...]] = {
    "blocked_domain": tuple(f"http://www.{domain}/{{page}}.html" for domain in BLOCKED_DOMAINS),
    "strict_word": ("https://www.gazette.example/x-hamster.archive/{page}.html", "https://my.sex-shop.example/{page}"),
    "hard_word": ("https://www.herald.example/cheap/VIAGRA/{page}.html", "https://almanac.example/%6Eude-{page}.html"),
    "soft_words": ("https://www.courier.example/poker-bonus/{page}.html", "https://live.girls.example/{page}"),
    "excluded_host": ("https://en.wikipedia.org/wiki/Place_{page}", "https://old.reddit.com/r/places/comments/{page}/"),
}


@dataclass(frozen=True)
class Key:
    """One line of key.jsonl: the right fate of a page where English and Chinese are kept."""

    id: str
    url: str
    dump: str
    kind: str
    language: str
    """Language code of the page; empty if it has none."""
    verdict: str
    """keep or drop. Of a group of duplicates the first page is keep."""
    step: str
    """The step of the web stage that drops the page, or empty."""
    reason: str
    """That step's reason, or empty."""
    group: str
    """Pages of one group have the same content; exactly one of them stays."""
    passage: str
    """Text that other pages have word for word, to be cut; empty if there is none."""


@dataclass(frozen=True)
class SamplePage:
    """A response and its line of the key."""

    response: Response
    key: Key

    def key_row(self) -> dict[str, Any]:
        """Return the line of key.jsonl."""
        return asdict(self.key)


def make_page(config: SampleConfig, world: World, page: int) -> SamplePage:
    """Return a page. Depends on the config and the number alone; a copy makes its original's text again."""
    slot = slot_of(config, page)
    kind = slot.kind
    original = original_of(config, page, slot) if kind in COPIES else None
    source = original if original is not None and kind in SAME_TEXT else page
    tongue, passage = TONGUES[slot.language], _passage(config, page, slot)
    text = Draw("article", config.seed, source)
    content = answer(kind, tongue, world, text, Draw("dress", config.seed, page), passage)
    dump = int(page >= config.pages_of(config.files_per_dump)[0])
    start = config.pages_of(dump * config.files_per_dump)[0]
    response = Response(
        id=record_id(config.seed, page),
        url=_url(config, page, slot, original),
        date=(FIRST_PAGE[dump] + timedelta(seconds=7 * (page - start))).strftime("%Y-%m-%dT%H:%M:%SZ"),
        status=content.status,
        content_type=content.content_type,
        body=content.body,
    )
    key = Key(
        id=response.id,
        url=response.url,
        dump=config.dumps[dump],
        kind=kind,
        language=content.language,
        verdict="drop" if kind in STEP_OF else "keep",
        step=STEP_OF.get(kind, ""),
        reason=REASON_OF.get(kind, ""),
        group=f"{source:07d}",
        passage=passage,
    )
    return SamplePage(response, key)


def _passage(config: SampleConfig, page: int, slot: Slot) -> str:
    if slot.kind not in WITH_PASSAGE:
        return ""
    return TONGUES[slot.language].passage(Draw("passage", config.seed, block_of(config, page), slot.language))


def _url(config: SampleConfig, page: int, slot: Slot, original: int | None) -> str:
    if slot.kind == "no_url":
        return ""
    if slot.kind in STEPS["url"]:
        return Draw("blocked", config.seed, page).pick(BLOCKED_URLS[slot.kind]).format(page=page)
    captured = original if original is not None and slot.kind in SAME_URL else page
    return html.page_url(config.seed, captured, slot.language)


def is_truncated(page: SamplePage) -> bool:
    """Return whether the record of this page ends in the middle."""
    return page.key.kind == TRUNCATED


def is_damaged(page: SamplePage) -> bool:
    """Return whether the record of this page has a wrong byte."""
    return page.key.kind == "damaged_record"
