"""The stage on Posts.xml in the dumps' format: layout, order of answers, licences, damage."""

from __future__ import annotations

import bz2
from pathlib import Path

import py7zr

from stages.curated.stackexchange.config import StackExchangeConfig
from tests.stages.curated.sources import run
from tests.stages.text.markup.test_posts import answer, question, row

SITE = "cooking.stackexchange.com"
ROWS = [
    question(1, AcceptedAnswerId=5, CreationDate="2012-01-01T00:00:00.000"),
    question(2, CreationDate="2020-01-01T00:00:00.000"),
    answer(4, 1, 2, "<p>Second</p>"),
    answer(5, 1, 9, "<p>Best:</p><pre><code>a  b\n</code></pre>"),
    answer(6, 1, 2, "<p>Third</p>"),
    answer(7, 1, -1, "<p>Worst</p>"),
    answer(8, 77),
    row(Id=9, PostTypeId=5, Body="tag wiki"),
]


def write(path: Path, rows: list[str] = ROWS) -> Path:
    path.write_text(f'\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n{"".join(rows)}</posts>', "utf-8")
    return path


def test_a_thread_is_a_question_with_its_answers_the_best_first(tmp_path: Path) -> None:
    found = run(StackExchangeConfig(files="x"), tmp_path, write(tmp_path / "Posts.xml"), source=SITE)
    assert found.texts == {
        f"{SITE}-1": 'Q: T1\n\né & "q"\n\nA: Best:\n\na  b\n\nA: Second\n\nA: Third\n\nA: Worst',
    }
    (thread,) = found.documents
    assert (thread["url"], thread["licence"]) == (f"https://{SITE}/questions/1", "CC-BY-SA-3.0")
    assert found.reasons == {"no_answer": 1, "answer_without_question": 1, "other_post": 1}


def test_answers_are_chosen_by_score_and_number(tmp_path: Path) -> None:
    config = StackExchangeConfig(files="x", min_answer_score=2, max_answers=2, needs_answer=False)
    found = run(config, tmp_path, write(tmp_path / "Posts.xml"), source=SITE)
    assert [text.count("A: ") for text in found.texts.values()] == [2, 0]
    strict = StackExchangeConfig(files="x", min_answer_score=10)
    assert run(strict, tmp_path / "b", tmp_path / "Posts.xml", source=SITE).reasons["no_good_answer"] == 1


def test_a_file_that_is_cut_off_is_counted_and_its_posts_stay(tmp_path: Path) -> None:
    data = write(tmp_path / "Posts.xml").read_bytes()
    (tmp_path / "cut.xml").write_bytes(data[:-15])
    found = run(StackExchangeConfig(files="x"), tmp_path, tmp_path / "cut.xml", source=SITE)
    assert len(found.documents) == 1
    assert found.reasons["truncated_file"] == 1
    (tmp_path / "cut.xml.bz2").write_bytes(bz2.compress(data)[:-4])
    assert run(StackExchangeConfig(files="x"), tmp_path / "b", tmp_path / "cut.xml.bz2").reasons["truncated_file"] == 1


def test_a_site_comes_as_7z_archive(tmp_path: Path) -> None:
    write(tmp_path / "Posts.xml")
    with py7zr.SevenZipFile(tmp_path / f"{SITE}.7z", "w") as archive:
        archive.write(tmp_path / "Posts.xml", "Posts.xml")
    plain, packed = (
        run(StackExchangeConfig(files="x"), tmp_path / name, path, source=SITE)
        for name, path in (("a", tmp_path / "Posts.xml"), ("b", tmp_path / f"{SITE}.7z"))
    )
    assert packed.texts == plain.texts and packed.reasons == plain.reasons
