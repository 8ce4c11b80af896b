"""The step of `curated.wikipedia`: the articles of one dump, or of a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from stages.curated.items import Damaged, Dropped, Found, Item
from stages.curated.reading.unit import damage_of, read_unit
from stages.curated.wikipedia.config import PART, WikipediaConfig
from stages.curated.wikipedia.dump import Page, Site, read_pages, read_site
from stages.curated.wikipedia.languages import REDIRECTS, words_of
from stages.curated.wikipedia.wikitext import Style, plain_text
from stages.shared.contract import part_of
from stages.shared.task import Task

CODES = {"simple": "en", "zh-classical": "zh", "sr-ec": "sr", "sr-el": "sr", "nb": "no"}
"""Language codes of wikis that are no codes of the language model."""
LICENCE = "CC-BY-SA-4.0"
"""Of the text of Wikipedia and its sisters."""


def read(task: Task[WikipediaConfig]) -> dict[str, Any]:
    """Write the articles of one unit."""
    return read_unit(task, articles(task))


def articles(task: Task[WikipediaConfig]) -> Iterator[Found]:
    """Yield the articles and what is none, in the order of the dump."""
    (file,) = task.inputs["files"]
    config = task.config
    damages: list[Damaged] = []
    site = read_site(file.path)
    maker = Articles(site, config)
    part = part_of(task.unit) if PART in task.unit else (0, 1)
    for page in read_pages(file.path, int(config.max_page_mb * 1e6), damages.append, part):
        yield maker.article(page) if isinstance(page, Page) else page
    for damage in damages:
        yield damage_of(damage, file.path)


class Articles:
    """Makes articles of a wiki's pages."""

    def __init__(self, site: Site, config: WikipediaConfig) -> None:
        self._site, self._namespaces = site, frozenset(config.namespaces)
        code = site.language.lower()
        words = words_of(code)
        words = words._replace(prefixes=words.prefixes | site.prefixes)
        self._style = Style(words, config.tables, config.tails)
        self._language = CODES.get(code, code.partition("-")[0])

    def article(self, page: Page) -> Found:
        """Return the article of a page, or the reason why it is none."""
        url = self._site.base + quote(page.title.replace(" ", "_"), safe="/:@!$&'()*,;=~") if self._site.base else ""
        reason = self._reason(page)
        if reason:
            return Dropped(reason=reason, id=page.title, url=url, text=page.text[:2000])
        text = plain_text(page.text, self._style)
        if not text:
            return Dropped(reason="no_text", id=page.title, url=url, text=page.text[:2000])
        return Item(
            id=f"{self._site.language or 'wiki'}-{page.id or page.title}",
            url=url,
            text=f"{page.title}\n\n{text}",
            language=self._language,
            licence=LICENCE if "wiki" in self._site.base else "",
            date=page.date,
        )

    def _reason(self, page: Page) -> str | None:
        if page.namespace not in self._namespaces:
            return "other_namespace"
        if page.model and page.model != "wikitext":
            return "not_wikitext"
        if page.is_redirect or page.text.lstrip()[:30].lower().startswith(REDIRECTS):
            return "redirect"
        if is_disambiguation(page.text, self._style.words.disambiguation):
            return "disambiguation"
        return None


def is_disambiguation(text: str, names: frozenset[str]) -> bool:
    """Return whether a page calls a template of disambiguation."""
    at = 0
    while (at := text.find("{{", at)) >= 0:
        at += 2
        if _template_name(text[at : at + 60]) in names:
            return True
    return "__DISAMBIG__" in text


@lru_cache(100_000)
def _template_name(head: str) -> str:
    for mark in ("|", "}", "\n", "<"):
        head = head.partition(mark)[0]
    return head.strip().replace("_", " ").lower()
