"""Threads of Posts.xml: whatever the order and the size; rows that are none cost themselves."""

from __future__ import annotations

import random
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from stages.text.markup import posts
from stages.text.markup.posts import BadRow, Dump, Thread, read_threads


def row(**attributes: object) -> str:
    return f"  <row {' '.join(f'{name}={quoteattr(str(value))}' for name, value in attributes.items())} />\n"


def question(number: int, **more: object) -> str:
    return row(Id=number, PostTypeId=1, Score=7, Title=f"T{number}", Body='<p>é &amp; "q"</p>', **more)


def answer(number: int, parent: int, score: object = 1, body: str = "<p>Text</p>") -> str:
    return row(Id=number, PostTypeId=2, ParentId=parent, Score=score, Body=body)


def read(work: Path, *rows: str, limit: int = 10_000, dump: Dump | None = None) -> list[Thread | BadRow]:
    data = f'\ufeff<?xml version="1.0"?>\n<posts>\n{"".join(rows)}</posts>'.encode()
    return list(read_threads((data[at : at + 997] for at in range(0, len(data), 997)), work, limit, dump))


def test_answers_find_their_question_wherever_they_stand(tmp_path: Path) -> None:
    rows = [question(4, AcceptedAnswerId=9), answer(9, 4, -2), answer(7, 1), question(1), answer(5, 4, 3)]
    first, second = read(tmp_path, *rows)
    assert isinstance(first, Thread) and isinstance(second, Thread)
    assert (first.id, [each.id for each in first.answers]) == (1, [7])
    assert (second.title, second.body, second.accepted) == ("T4", '<p>é &amp; "q"</p>', 9)
    assert [(each.id, each.score) for each in second.answers] == [(5, 3), (9, -2)]
    assert not list(tmp_path.iterdir())


def test_any_division_on_disk_gives_the_same_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    ids = draw.sample(range(1, 1 << 33), 300)
    rows = [question(number) for number in ids] + [answer(1 << 34 | at, draw.choice(ids)) for at in range(500)]
    draw.shuffle(rows)
    whole = read(tmp_path, *rows)
    monkeypatch.setattr(posts, "PART_BYTES", 2_000)
    monkeypatch.setattr(posts, "MAX_PARTS", 1 << 14)
    assert read(tmp_path, *rows) == whole
    assert [each.id for each in whole] == sorted(ids)


def test_rows_that_are_no_posts_cost_themselves(tmp_path: Path) -> None:
    dump = Dump()
    bad = [
        '  <row Id="7" />\n',
        row(Id="x", PostTypeId=1, Body="b"),
        answer(9, 1, "two"),
        answer(10, 99999999999999999999),
        answer(11, 1, body="x" * 20_000),
        row(Id=12, PostTypeId=5, Body="tag"),
        answer(8, 99),
        question(1),
    ]
    found = read(tmp_path, *bad, dump=dump)
    reasons = [each.reason for each in found if isinstance(each, BadRow)]
    assert sorted(reasons) == ["answer_without_question", "too_large"] + ["unreadable_record"] * 4
    assert [each.id for each in found if isinstance(each, Thread)] == [1]
    assert (dump.others, dump.is_whole) == (1, True)


def test_a_file_that_is_cut_gives_what_it_has(tmp_path: Path) -> None:
    dump = Dump()
    data = (question(1) + answer(2, 1) + answer(3, 1)).encode()[:-30]
    thread, bad = sorted(
        read_threads([data], tmp_path, 10_000, dump), key=lambda each: type(each).__name__, reverse=True
    )
    assert isinstance(thread, Thread) and [each.id for each in thread.answers] == [2]
    assert isinstance(bad, BadRow) and bad.reason == "unreadable_record"
    assert not dump.is_whole


def test_a_file_of_a_killed_attempt_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts" / "000").write_bytes(b"1 junk\n")
    assert [each.id for each in read(tmp_path, question(1))] == [1]
