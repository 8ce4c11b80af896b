from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.formats.conducted.requests import GivenFile, ToolRequest, read_requests, write_requests
from stages.shared.errors import DataError


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    requests = [
        ToolRequest(
            id="1", text="看\u2028", language="zh", files={"a b.png": GivenFile(data=b"\x89PNG", suffix="png")}
        ),
        ToolRequest(
            id="2", text="", plan=({"task": "search", "id": 0, "dep": [-1], "args": {}},), answer=(("a", "b"),)
        ),
        ToolRequest(id="3", text="t", files={"v.wav": GivenFile(data=b"RIFF", suffix="wav")}, plan=()),
    ]
    write_requests(tmp_path / "r.jsonl", requests)
    assert read_requests(tmp_path / "r.jsonl") == requests


def test_taskbenchs_field_is_read_and_lines_have_numbers_as_ids(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"user_request": "Do it."}\n\n{"id": 7, "text": "x"}\n')
    assert [(each.id, each.text) for each in read_requests(tmp_path / "r.jsonl")] == [("1", "Do it."), ("7", "x")]


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"text": 3}, "must be a text"),
        ({"text": "x", "files": {"../a.png": "data:image/png;base64,AA=="}}, "must be a plain name"),
        ({"text": "x", "files": {"a.png": "http://169.254.169.254/"}}, "must be a data URL"),
        ({"text": "x", "files": {"a.png": "file:///etc/passwd"}}, "must be a data URL"),
        ({"text": "x", "files": {"a.png": "data:image/png;base64,%%"}}, "must be base64"),
        ({"text": "x", "files": {"a.png": "data:image/../../x;base64,AA=="}}, "must be a data URL"),
        ({}, "user_request"),
        ([], "list"),
    ],
)
def test_a_line_that_is_no_request_is_named(tmp_path: Path, record: Any, problem: str) -> None:
    (tmp_path / "r.jsonl").write_text('{"text": "x"}\n' + json.dumps(record))
    with pytest.raises(DataError, match=r"r\.jsonl:2.*" + problem):
        read_requests(tmp_path / "r.jsonl")


def test_an_id_stands_once(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"id": 1, "text": "x"}\n' * 2)
    with pytest.raises(DataError, match="an id stands twice"):
        read_requests(tmp_path / "r.jsonl")
