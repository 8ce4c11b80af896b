"""The store of answers: what a killed writer leaves, what another one reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.errors import DataError
from stages.teacher.request import Answer, Request
from stages.teacher.store import AnswerStore

ASKED = Request(messages=({"role": "user", "content": "你好 \ud83d"},), parameters={"temperature": 0.7})
DIGEST = ASKED.digest("m")


def test_the_digest_is_made_of_what_changes_the_answer() -> None:
    same = Request(messages=({"content": "你好 \ud83d", "role": "user"},), parameters={"temperature": 0.7})
    assert same.digest("m") == DIGEST
    others = [
        ASKED.digest("n"),
        Request(messages=ASKED.messages, parameters={"temperature": 0.8}).digest("m"),
        Request(messages=ASKED.messages, parameters=ASKED.parameters, draw=1).digest("m"),
    ]
    assert len({DIGEST, *others}) == 4


def test_half_a_line_is_cut_off_and_whole_ones_are_kept(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path, "0")
    store.put(DIGEST, Answer(text="fine \ud83d", finish="stop"))
    store.close()
    path = tmp_path / "0.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:70])
    again = AnswerStore(tmp_path, "0")
    assert len(again) == 1
    assert path.read_bytes() == whole
    again.put("ab" * 32, Answer(text="two", finish="length"))
    assert AnswerStore(tmp_path, "1").get("ab" * 32) == Answer(text="two", finish="length")
    assert AnswerStore(tmp_path, "1").get("cd" * 32) is None


def test_a_store_that_is_only_read_leaves_no_file(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path, "0")
    store.put(DIGEST, Answer(text="x", finish="stop"))
    store.close()
    reader = AnswerStore(tmp_path, "1")
    assert reader.get(DIGEST) == Answer(text="x", finish="stop")
    reader.close()
    assert [path.name for path in tmp_path.iterdir()] == ["0.jsonl"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.jsonl").write_text("garbage\n")
    with pytest.raises(DataError, match=r"0\.jsonl: not an answer"):
        AnswerStore(tmp_path, "1")
    (tmp_path / "0.jsonl").write_text(f'["{DIGEST}", {{"no": 1}}]\n')
    with pytest.raises(DataError, match="no answer at byte 0"):
        AnswerStore(tmp_path, "1").get(DIGEST)
