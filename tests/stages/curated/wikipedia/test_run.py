"""The stage on dumps in the real format: articles, what is none, parts, languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.curated.wikipedia.config import WikipediaConfig
from stages.shared.errors import DataError
from tests.stages.curated.sources import run
from tests.stages.curated.wikipedia.dumps import HEAD, TAIL, multistream, page

BERLIN = "'''Berlin''' ist die [[Hauptstadt]] von [[Deutschland]].\n\n== Geschichte ==\n" + (
    "Die Stadt wurde 1237 erwähnt.<ref>x</ref>"
)
PAGES = [
    page(1, "Berlin", BERLIN),
    page(2, "Spree-Athen", "#WEITERLEITUNG [[Berlin]]", redirect="Berlin"),
    page(3, "Bank", "'''Bank''' steht für:\n* [[Sitzbank]]\n{{Begriffsklärung}}"),
    page(4, "Diskussion:Berlin", "Hallo", namespace=1),
    page(5, "Modul", "return {}", model="Scribunto"),
    page(6, "Leer", "{{Infobox}}[[Datei:A.jpg]]"),
    page(7, "C & A", "Ein <nowiki>''Text''</nowiki>."),
]


def write(path: Path, pages: list[str] = PAGES) -> Path:
    path.write_text(HEAD + "".join(pages) + TAIL)
    return path


def test_articles_are_documents_and_all_other_pages_are_counted(tmp_path: Path) -> None:
    found = run(WikipediaConfig(files="x"), tmp_path, write(tmp_path / "dewiki.xml"))
    assert found.texts == {
        "de-1": "Berlin\n\nBerlin ist die Hauptstadt von Deutschland.\n\nGeschichte\n\nDie Stadt wurde 1237 erwähnt.",
        "de-7": "C & A\n\nEin ''Text''.",
    }
    first = found.documents[0]
    assert first["url"] == "https://de.wikipedia.org/wiki/Berlin"
    assert (first["language"], first["licence"], first["date"][:4]) == ("de", "CC-BY-SA-4.0", "2026")
    wanted = dict.fromkeys(("redirect", "disambiguation", "other_namespace", "not_wikitext", "no_text"), 1)
    assert found.reasons == wanted
    assert {row["reason"] for row in found.rejects} == set(wanted)


def test_parts_of_a_file_hold_the_documents_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "dewiki-multistream.xml.bz2"
    path.write_bytes(multistream([page(number, f"S{number}", f"Text {number}.") for number in range(40)], 4))
    whole = run(WikipediaConfig(files="x"), tmp_path / "a", path)
    parts = run(WikipediaConfig(files="x", parts=3), tmp_path / "b", path)
    assert parts.texts == whole.texts and len(whole.texts) == 40
    assert len(parts.files) == 3 * len(whole.files)


def test_unwanted_languages_are_dropped_by_the_dumps_word(tmp_path: Path) -> None:
    config = WikipediaConfig.model_validate({"files": "x", "language": {"languages": ["en"], "min_score": 0.0}})
    assert run(config, tmp_path, write(tmp_path / "dewiki.xml")).reasons["other_language"] == 2


def test_a_file_of_another_format_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<posts></posts>")
    with pytest.raises(DataError, match=r"a\.xml: holds no item of this source\. Take the file out"):
        run(WikipediaConfig(files="x"), tmp_path, tmp_path / "a.xml")


def test_the_same_bytes_come_out_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "dewiki.xml")
    first, second = (run(WikipediaConfig(files="x"), tmp_path / name, path) for name in ("a", "b"))
    assert [each.read_bytes() for each in first.files] == [each.read_bytes() for each in second.files]
