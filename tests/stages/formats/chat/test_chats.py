"""Chats on disk: what is read is what was written, and a line that is none is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.formats.chat.chats import Chat, Message, Part, read_chats, text_message, write_chats
from stages.shared.errors import DataError


def test_chats_come_back_as_they_were_written(tmp_path: Path) -> None:
    picture = Message(role="user", parts=(Part(type="picture", key="cat.png"), Part(type="text", text="看\u2028this")))
    chats = [
        Chat(
            id="a",
            messages=(picture, text_message("assistant", "a cat")),
            provenance={"source": "made", "parents": [1]},
        ),
        Chat(id="b", messages=(text_message("system", ""), text_message("user", "hi"))),
    ]
    write_chats(tmp_path / "chats.jsonl", chats)
    assert list(read_chats(tmp_path / "chats.jsonl")) == chats
    with pytest.raises(ValueError, match="a message of picture, text has no plain text"):
        _ = picture.text


def test_published_data_with_plain_contents_is_read(tmp_path: Path) -> None:
    record = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    (tmp_path / "c.jsonl").write_text(json.dumps(record) + "\n")
    assert list(read_chats(tmp_path / "c.jsonl")) == [
        Chat(id="1", messages=(text_message("user", "hi"), text_message("assistant", "hello")))
    ]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"messages": []}',
        '{"messages": [{"role": "human", "content": "x"}]}',
        '{"messages": [{"role": "user"}]}',
        '{"messages": [{"role": "user", "content": 3}]}',
        '{"messages": [{"role": "user", "parts": [{"type": "smell"}]}]}',
        '{"messages": [{"role": "user", "parts": [{"type": "text", "colour": "x"}]}]}',
        '{"messages": 3}',
    ],
)
def test_a_line_that_is_no_chat_is_named(tmp_path: Path, line: str) -> None:
    good = '{"messages": [{"role": "user", "content": "x"}]}'
    (tmp_path / "c.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError, match=r"c\.jsonl:2: not a chat"):
        list(read_chats(tmp_path / "c.jsonl"))
