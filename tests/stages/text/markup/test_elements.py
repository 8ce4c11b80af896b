"""Elements of XML by their marks: across chunks, broken, too large, in other encodings; entities of characters only."""

from __future__ import annotations

import pytest

from stages.text.markup.elements import Around, TooLarge, elements, unescape


def found(data: bytes, size: int, limit: int = 1000, around: Around | None = None) -> list[bytes | TooLarge]:
    chunks = (data[start : start + size] for start in range(0, len(data), size))
    return list(elements(chunks, b"<page>", b"</page>", limit, around))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_elements_do_not_depend_on_the_size_of_chunks(size: int) -> None:
    around = Around()
    data = b"<head/>\n<page>one</page>\n  <page>two</page>\n</mediawiki>\n"
    assert found(data, size, around=around) == [b"<page>one</page>", b"<page>two</page>"]
    assert (around.head, around.tail) == (b"<head/>\n", b"\n</mediawiki>\n")


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_broken_element_costs_itself(size: int) -> None:
    data = b"<page>a</page><page>no end <page>b</page><page>cut of"
    assert found(data, size) == [b"<page>a</page>", b"<page>no end ", b"<page>b</page>", b"<page>cut of"]


@pytest.mark.parametrize("size", [10, 100, 100_000])
def test_an_element_that_is_too_large_is_skipped_as_it_streams(size: int) -> None:
    data = b"<page>a</page><page>" + b"x" * 50_000 + b"</page><page>b</page>"
    first, large, *rest = found(data, size)
    assert isinstance(large, TooLarge) and large.head.startswith(b"<page>xxx")
    assert [first, *rest] == [b"<page>a</page>", b"<page>b</page>"]


def test_a_line_of_a_hundred_megabytes_without_elements_is_passed_in_little_memory() -> None:
    around = Around()
    chunks = (b"y" * (1 << 20) for _ in range(100))
    assert list(elements(chunks, b"<page>", b"</page>", 1 << 20, around)) == []
    assert len(around.tail) < 3 << 20


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_files_in_utf_16_are_read(encoding: str) -> None:
    text = ("\ufeff" if encoding == "utf-16-be" else "") + "<page>Пример 例</page>"
    assert found(text.encode(encoding), 3) == ["<page>Пример 例</page>".encode()]


def test_entities_are_characters_and_nothing_else() -> None:
    assert unescape("&lt;b&gt; &amp;amp; &quot;&apos; &#233;&#x4e2d;") == "<b> &amp; \"' é中"
    assert unescape("&amp;lt;&amp;#10;&#xA;&amp;amp;") == "&lt;&#10;\n&amp;"
    assert unescape("&#38;amp;&#38;lt;&amp;#38;") == "&amp;&lt;&#38;"
    assert unescape("&a;&b; &#xD800;&#0;&#x110000; &amp") == "&a;&b; \ufffd\ufffd\ufffd &amp"
