"""Pages of dumps: heads, parts of multistream files, damage, bombs."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.curated.items import Damaged, Dropped
from stages.curated.wikipedia.dump import Page, parse_page, read_pages, read_site
from tests.stages.curated.wikipedia.dumps import HEAD, TAIL, multistream, page

PAGES = [
    page(number, f"Seite {number}", f"Text & <b>{number}</b> " + "wort " * (number % 7)) for number in range(1, 60)
]


def read(path: Path, part: tuple[int, int] = (0, 1), limit: int = 1 << 20) -> tuple[list[Page | Dropped], list[str]]:
    damages: list[Damaged] = []
    return list(read_pages(path, limit, damages.append, part)), [each.reason for each in damages]


def test_a_page_has_what_its_element_says(tmp_path: Path) -> None:
    path = tmp_path / "dewiki.xml"
    path.write_text(HEAD + page(3, "A & B", "x < y &amp; z\n'''b'''", redirect="C") + TAIL)
    ((found,), damages) = read(path)
    assert found == Page("3", "A & B", 0, True, "wikitext", "2026-01-04T00:00:00Z", "x < y &amp; z\n'''b'''")
    assert damages == []
    site = read_site(path)
    assert (site.language, site.base) == ("de", "https://de.wikipedia.org/wiki/")
    assert site.prefixes == {"datei", "kategorie"}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_parts_of_a_multistream_file_are_the_whole(count: int, tmp_path: Path) -> None:
    path = tmp_path / "dewiki-multistream.xml.bz2"
    path.write_bytes(multistream(PAGES, 5))
    assert read_site(path).language == "de"
    parts = [read(path, (number, count)) for number in range(count)]
    titles = [found.title for pages, _ in parts for found in pages if isinstance(found, Page)]
    assert titles == [f"Seite {number}" for number in range(1, 60)]
    assert all(damages == [] for _, damages in parts)


def test_a_damaged_stream_costs_its_pages_and_no_other(tmp_path: Path) -> None:
    data = bytearray(multistream(PAGES, 5))
    data[len(data) // 2] ^= 255
    (tmp_path / "a.xml.bz2").write_bytes(data)
    pages, damages = read(tmp_path / "a.xml.bz2")
    assert damages == ["damaged_part"]
    assert 54 <= sum(isinstance(found, Page) for found in pages) < 59


def test_a_file_that_is_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    text = HEAD + "".join(PAGES[:3])
    (tmp_path / "a.xml").write_text(text[:-30])
    pages, _ = read(tmp_path / "a.xml")
    assert [type(found) for found in pages] == [Page, Page, Dropped]
    assert isinstance(pages[2], Dropped) and (pages[2].reason, pages[2].id) == ("unreadable_record", "Seite 3")


BOMB = '<!DOCTYPE m [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>\n'


def test_entities_are_never_expanded(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(BOMB + HEAD + page(1, "T", "@").replace("@", "&b;&c;") + TAIL)
    ((found,), _) = read(tmp_path / "a.xml")
    assert isinstance(found, Page) and found.text == "&b;&c;"


def test_pages_that_are_too_large_or_no_text_cost_themselves(tmp_path: Path) -> None:
    bad = page(2, "Binär", "X").encode().replace(b">X<", b">\xff\xfe\xfa<")
    data = HEAD.encode() + page(1, "Groß", "y" * 3_000_000).encode() + bad + page(3, "Gut", "ok").encode()
    (tmp_path / "a.xml").write_bytes(data)
    pages, _ = read(tmp_path / "a.xml")
    assert [(each.id, getattr(each, "reason", "")) for each in pages] == [
        ("Groß", "too_large"),
        ("Binär", "not_text"),
        ("3", ""),
    ]


def test_the_last_revision_counts_and_hidden_text_is_counted() -> None:
    first, second = page(1, "T", "old"), page(1, "T", "new")
    both = first.replace("  </page>\n", "") + second[second.index("    <revision>") :]
    found = parse_page(both.strip().encode())
    assert isinstance(found, Page) and found.text == "new"
    hidden = page(1, "T", "@").replace('xml:space="preserve">@</text>', 'deleted="deleted"></text>')
    dropped = parse_page(hidden.strip().encode())
    assert isinstance(dropped, Dropped) and dropped.reason == "deleted"
