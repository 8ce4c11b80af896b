"""Posts.xml of Stack Exchange's dump: whole, damaged and hostile."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from stages.align.preferences.config import PreferencesConfig
from stages.align.preferences.posts import read_posts
from stages.formats.chat.rejects import Reject
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.text.markup import posts
from tests.stages.align.preferences.test_run import run

VOTES = (-3, 0, 1, 2, 3, 5, 10, 11, 100)


def post(**attributes: object) -> str:
    return f"  <row {' '.join(f'{name}={quoteattr(str(value))}' for name, value in attributes.items())} />\n"


def question(number: int, **more: object) -> str:
    return post(Id=number, PostTypeId=1, Score=7, Title=f"Title {number}", Body=f"<p>Body &amp; {number}</p>", **more)


def answer(number: int, parent: int, score: int, body: str = "<p>Text</p>") -> str:
    return post(Id=number, PostTypeId=2, ParentId=parent, Score=score, Body=body)


def write(path: Path, *rows: str, head: str = "") -> Path:
    path.write_text(f'\ufeff<?xml version="1.0" encoding="utf-8"?>\n{head}<posts>\n{"".join(rows)}</posts>', "utf-8")
    return path


def test_answers_are_ranked_by_votes_and_the_accepted_one_wherever_they_stand(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    answers = [answer(10 + place, 1, votes, f"<p>votes {votes}</p>") for place, votes in enumerate(VOTES)]
    rows = [answer(50, 2, 3), *answers, question(1, AcceptedAnswerId=12), question(2), post(Id=3, PostTypeId=5)]
    path = write(folder / "Posts.xml", *rows)
    (found,), synthesis = run(tmp_path, path, "stackexchange_posts")
    assert found.prompt[0].text == "Title 1\n\nBody & 1"
    assert [each.text for each in found.responses] == [f"votes {votes}" for votes in VOTES]
    # Scores -1, 0, 1 + 1, 2, 2, 3, 3, 4, 7
    assert found.ranks == (6, 5, 4, 4, 4, 3, 3, 2, 1)
    assert synthesis.rejected == {"fewer_than_two_responses": 1}


def test_rows_that_are_no_posts_and_answers_without_their_question_are_rejected(tmp_path: Path) -> None:
    bad = [
        '  <row Id="7" />\n',
        post(Id="x", PostTypeId=1, Body="b"),
        post(Id=9, PostTypeId=2, ParentId=1, Score="two", Body="b"),
        answer(8, 99, 1),
    ]
    found = [record for _, record in read_posts(write(tmp_path / "Posts.xml", *bad), tmp_path)]
    assert all(isinstance(record, Reject) for record in found)
    assert [record.reason for record in found] == ["unreadable_record"] * 3 + ["answer_without_question"]


BOMB = '<!DOCTYPE posts [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>\n'


def test_entities_and_a_file_that_is_cut_off_are_refused_with_the_remedy(tmp_path: Path) -> None:
    bomb = write(tmp_path / "Posts.xml", post(Id=1, PostTypeId=1, Body="x"), head=BOMB)
    with pytest.raises(DataError, match=r"Posts\.xml: declares a document type.* Name the dump's own"):
        list(read_posts(bomb, tmp_path))
    whole = write(tmp_path / "whole.xml", question(1), answer(2, 1, 1)).read_bytes()
    (tmp_path / "cut.xml").write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"cut\.xml: no whole XML file.* Unpack the dump again"):
        list(read_posts(tmp_path / "cut.xml", tmp_path))
    (tmp_path / "empty.xml").write_bytes(b"")
    with pytest.raises(DataError, match="no whole XML file"):
        list(read_posts(tmp_path / "empty.xml", tmp_path))


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts, "PART_BYTES", 1 << 19)
    peaks = []
    for count in (500, 4000):
        rows = (
            question(number) + answer(count + number, number, 1, "<p>" + "x" * 2000 + "</p>") for number in range(count)
        )
        path = write(tmp_path / f"{count}.xml", *rows)
        tracemalloc.start()
        assert sum(1 for _ in read_posts(path, tmp_path)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 3e6
    assert {path.suffix for path in tmp_path.iterdir()} == {".xml"}


@pytest.mark.parametrize(("name", "format_"), [("Posts.xml", "stackexchange"), ("a.jsonl", "stackexchange_posts")])
def test_the_format_of_a_dump_and_of_records_are_not_mixed_up(name: str, format_: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("{}", "utf-8")
    config = PreferencesConfig.model_validate({"files": {"x": str(path)}, "read": {"x": format_}})
    with pytest.raises(ConfigError, match=r"read\.x"):
        config.inspect({"files": (InputFile(path, "x"),)})
