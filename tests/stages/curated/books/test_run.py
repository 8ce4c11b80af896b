"""Books as text, zip and EPUB: frames, overlap, damage. The EPUBs are written here in the format of EPUB 3."""

from __future__ import annotations

import gzip
import random
import zipfile
from pathlib import Path

import pytest

from stages.curated.books.config import BooksConfig
from stages.curated.books.gutenberg import unframed
from tests.stages.curated.sources import run

HEAD = """The Project Gutenberg eBook of A Tale

Title: A Tale
Author: Nobody
Language: English

*** START OF THE PROJECT GUTENBERG EBOOK A TALE ***

Produced by volunteers
and others

"""
TAIL = "\n\n*** END OF THE PROJECT GUTENBERG EBOOK A TALE ***\n\nThis and all associated files ..."


def prose(seed: int, count: int = 4000) -> str:
    draw = random.Random(seed)
    return " ".join(f"word{draw.randrange(5000)}" for _ in range(count))


def epub(path: Path, chapters: dict[str, str], encryption: str = "", bomb: bool = False) -> Path:
    items = "".join(
        f'<item id="c{at}" href="text/{name}" media-type="application/xhtml+xml"/>' for at, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{at}"/>' for at in range(len(chapters)))
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>T &amp; U</dc:title><dc:rights>CC0</dc:rights>'
        "</metadata>"
        f'<manifest>{items}<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
        f'</manifest><spine><itemref idref="nav"/>{spine}</spine></package>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        container = '<container><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("OEBPS/content.opf", package)
        archive.writestr("OEBPS/nav.xhtml", "<html><body><nav>Contents</nav></body></html>")
        for name, text in chapters.items():
            markup = f"<html><head><title>x</title></head><body><h1>{name}</h1>{text}</body></html>"
            archive.writestr(f"OEBPS/text/{name}", " " * 20_000_000 if bomb else markup)
        if encryption:
            archive.writestr("META-INF/encryption.xml", f'<enc:CipherReference URI="{encryption}"/>')
    return path


def test_frames_go_and_say_what_the_book_is(tmp_path: Path) -> None:
    path = tmp_path / "pg1.txt.gz"
    path.write_bytes(gzip.compress(f"{HEAD}Chapter 1\r\n\r\nIt was café night.{TAIL}".encode("latin-1")))
    found = run(BooksConfig(files="x"), tmp_path, path)
    (book,) = found.documents
    assert book["text"] == "Chapter 1\n\nIt was café night."
    assert book["licence"] == "public domain in the USA"


@pytest.mark.parametrize(
    "end", ["End of the Project Gutenberg EBook of X", "*** END OF THIS PROJECT GUTENBERG EBOOK X ***"]
)
def test_frames_of_older_books_are_known(end: str) -> None:
    old = f"Small print\n*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\nText of it.\n\n{end}\nmore"
    assert unframed(old).text == "Text of it."
    assert unframed("No frame, just text.").text == "No frame, just text."


def test_chapters_of_an_epub_come_in_reading_order(tmp_path: Path) -> None:
    chapters = {"b.xhtml": "<p>First &amp; <i>best</i></p><ul><li>one</li></ul>", "a.xhtml": "<p>Second</p>"}
    found = run(BooksConfig(files="x"), tmp_path, epub(tmp_path / "t.epub", chapters))
    (book,) = found.documents
    assert "First & best" in book["text"] and "- one" in book["text"] and "Contents" not in book["text"]
    assert book["text"].index("First") < book["text"].index("Second")
    assert book["licence"] == "CC0"


def test_a_book_that_stands_in_another_one_is_dropped_whichever_comes_first(tmp_path: Path) -> None:
    part, other = prose(1), prose(2)
    texts = {
        "a": part,
        "b": f"{other} {part}",
        "c": prose(3),
        "d": part.replace(" ", "\n"),
        "e": other[: len(other) // 2],
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    found = run(BooksConfig(files="x"), tmp_path, *sorted(tmp_path.glob("*.txt")))
    assert set(found.texts) == {"x/b.txt", "x/c.txt"}
    assert found.reasons == {"near_duplicate": 2, "exact_duplicate": 1}


def test_half_of_a_book_in_another_one_is_no_reason(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{prose(1)} {prose(2)}")
    (tmp_path / "b.txt").write_text(f"{prose(1)} {prose(3)}")
    assert len(run(BooksConfig(files="x"), tmp_path, *sorted(tmp_path.glob("*.txt"))).documents) == 2


def test_hostile_books_cost_themselves(tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_text("A good text.")
    bomb = epub(tmp_path / "bomb.epub", {"a.xhtml": "x"}, bomb=True)
    assert bomb.stat().st_size < 100_000
    secret = epub(tmp_path / "secret.epub", {"a.xhtml": "x"}, encryption="OEBPS/text/a.xhtml")
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("../../escaped.txt", "Text of a slip.")
        archive.writestr("/etc/absolute.txt", "Another one.")
    data = tmp_path / "data.txt"
    data.write_bytes(bytes(range(256)) * 10)
    config = BooksConfig(files="x", max_book_mb=1)
    found = run(config, tmp_path, good, bomb, secret, tmp_path / "slip.zip", data)
    assert found.reasons == {"too_large": 1, "encrypted": 1, "not_text": 1}
    assert len(found.documents) == 3
    assert not list(tmp_path.parent.glob("escaped.txt"))
