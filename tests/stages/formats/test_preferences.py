"""Preferences on disk: what is read is what was written, pairs have no ties, and a line that is none is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.formats.chat.chats import text_message
from stages.formats.preferences import (
    Candidates,
    Preference,
    Response,
    dense_ranks,
    read_candidates,
    read_preferences,
    write_candidates,
    write_preferences,
)
from stages.shared.errors import DataError

PROMPT = (text_message("user", "看\u2028this"),)
RESPONSES = (Response("a", "policy"), Response(""), Response("c"), Response("d"))


def ranked(*ranks: int) -> Preference:
    return Preference(
        prompt=PROMPT, responses=RESPONSES[: len(ranks)], ranks=ranks, ranked_by="ada", reasons=("short",)
    )


def test_preferences_come_back_as_they_were_written_and_are_also_candidates(tmp_path: Path) -> None:
    path = tmp_path / "preferences.jsonl"
    preferences = [ranked(1, 2, 2, 3), Preference(prompt=PROMPT, responses=RESPONSES[:2], ranks=(1, 1), source="x")]
    write_preferences(path, preferences)
    assert list(read_preferences(path)) == preferences
    candidates = [Candidates(prompt=each.prompt, responses=each.responses, source=each.source) for each in preferences]
    assert list(read_candidates(path)) == candidates
    assert [each.key for each in candidates] == [each.key for each in preferences]
    write_candidates(path, candidates)
    assert list(read_candidates(path)) == candidates
    with pytest.raises(DataError, match=r"preferences\.jsonl:1: not a preference \(KeyError\('ranks'\)\)"):
        list(read_preferences(path))


def test_pairs_name_the_better_response_first_and_leave_ties_out() -> None:
    assert ranked(1, 2, 2, 3).pairs() == [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]
    assert ranked(3, 1).pairs() == [(1, 0)]
    assert ranked(2, 2, 2).pairs() == []


def test_equal_scores_share_a_rank() -> None:
    assert dense_ranks([0.5, 2, 0.5, -1]) == (2, 1, 2, 3)


def test_the_key_depends_on_texts_and_their_order_alone() -> None:
    first = Candidates(prompt=PROMPT, responses=(Response("a", "x"), Response("b", "y")), source="s")
    same = Candidates(prompt=PROMPT, responses=(Response("a"), Response("b")))
    turned = Candidates(prompt=PROMPT, responses=(Response("b"), Response("a")))
    assert first.key == same.key != turned.key


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": []},
        {"prompt": "hi"},
        {"responses": [{"text": "a"}]},
        {"responses": ["a", "b"]},
        {"responses": [{"text": "a"}, {"text": 3}]},
        {"responses": [{"text": "a"}, {"text": "b", "score": 1}]},
        {"ranks": [1]},
        {"ranks": [1, 2, 3]},
        {"ranks": [0, 1]},
        {"ranks": [1, True]},
        {"ranks": [1.0, 2]},
        {"ranks": None},
        {"reasons": "short"},
        {"reasons": [1]},
        {"ranked_by": 3},
        {"source": ["x"]},
    ],
)
def test_a_line_that_is_no_preference_is_named(tmp_path: Path, changes: dict[str, object]) -> None:
    good = {"prompt": [{"role": "user", "content": "x"}], "responses": [{"text": "a"}, {"text": "b"}], "ranks": [1, 2]}
    (tmp_path / "p.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps({**good, **changes})}\n")
    with pytest.raises(DataError, match=r"p\.jsonl:2: not a preference"):
        list(read_preferences(tmp_path / "p.jsonl"))


@pytest.mark.parametrize("line", [b"{", b"[]", b"3", b'"\xff"', b"[" * 100_000, b""])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "p.jsonl").write_bytes(line + b"\n")
    with pytest.raises(DataError, match=r"p\.jsonl:1: not a preference"):
        list(read_preferences(tmp_path / "p.jsonl"))
