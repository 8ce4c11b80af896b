"""Small dumps in MediaWiki's export format 0.11, with the head that de.wikipedia.org's has, shortened."""

from __future__ import annotations

import bz2
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>dewiki</dbname>
    <base>https://de.wikipedia.org/wiki/Wikipedia:Hauptseite</base>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="6" case="first-letter">Datei</namespace>
      <namespace key="14" case="first-letter">Kategorie</namespace>
    </namespaces>
  </siteinfo>
"""
TAIL = "</mediawiki>\n"


def page(number: int, title: str, text: str, namespace: int = 0, redirect: str = "", model: str = "wikitext") -> str:
    """Return a page as a dump has it."""
    to = f"    <redirect title={quoteattr(redirect)} />\n" if redirect else ""
    return (
        f"  <page>\n    <title>{escape(title)}</title>\n    <ns>{namespace}</ns>\n    <id>{number}</id>\n{to}"
        f"    <revision>\n      <id>{number + 1000}</id>\n"
        f"      <timestamp>2026-01-0{number % 9 + 1}T00:00:00Z</timestamp>\n"
        f"      <contributor>\n        <username>A</username>\n        <id>7</id>\n      </contributor>\n"
        f"      <model>{model}</model>\n      <format>text/x-wiki</format>\n"
        f'      <text bytes="{len(text)}" xml:space="preserve">{escape(text)}</text>\n'
        f"      <sha1>x</sha1>\n    </revision>\n  </page>\n"
    )


def multistream(pages: Iterable[str], pages_per_stream: int) -> bytes:
    """Return a multistream file: the head, some pages each, and the tail as bz2 streams of their own."""
    found = list(pages)
    groups = ["".join(found[at : at + pages_per_stream]) for at in range(0, len(found), pages_per_stream)]
    return b"".join(bz2.compress(part.encode()) for part in (HEAD, *groups, TAIL))
