"""Pictures as text for a judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.align.answers import Prompt
from stages.align.judge.described import described, descriptions
from stages.align.judge.pairs import Pair
from stages.formats.chat.chats import Message, Part
from stages.formats.pictures.collections import CollectionWriter, Picture
from stages.formats.pictures.tars import key_of
from stages.shared.contract import InputFile
from stages.shared.errors import DataError


def collection(folder: Path, *names: str) -> InputFile:
    with CollectionWriter(folder) as writer:
        for name in names:
            boxes = {"boxes": [{"label": name, "box": [0, 0.25, 0.5, 1]}]}
            data = name.encode()
            picture = Picture(
                key=key_of(data),
                suffix="png",
                data=data,
                width=2,
                height=2,
                captions=(f"a {name}", "一只"),
                about=boxes,
            )
            writer.add(picture, 0, bytes(48))
    return InputFile(folder, "pictures", 1.0)


def pair(*names: str) -> Pair:
    parts = (Part("text", "Which?"), *(Part("picture", key=key_of(name.encode())) for name in names))
    prompt = Prompt(messages=(Message("user", parts),), source="")
    return Pair(prompt=prompt, sample=0, policy="a", against="b", answers=("x", "y"))


def test_a_picture_is_its_captions_and_boxes_from_any_of_the_collections(tmp_path: Path) -> None:
    files = [collection(tmp_path / "one", "cat", "dog"), collection(tmp_path / "two", "owl")]
    asked = pair("owl", "cat")
    found = descriptions(files, [asked])
    (message,) = described(asked.prompt.messages, found)
    assert message.text == (
        "Which?"
        "[picture]\na owl\n一只\nowl: [0.000, 0.250, 0.500, 1.000]\n[end of picture]"
        "[picture]\na cat\n一只\ncat: [0.000, 0.250, 0.500, 1.000]\n[end of picture]"
    )


def test_a_picture_that_no_collection_has_is_named(tmp_path: Path) -> None:
    files = [collection(tmp_path / "one", "cat")]
    with pytest.raises(DataError, match=f"{key_of(b'owl')}: lacks 1 pictures of the prompts"):
        descriptions(files, [pair("cat"), pair("owl")])


def test_without_collections_or_pictures_nothing_is_read(tmp_path: Path) -> None:
    assert descriptions([], [pair("owl")]) == {}
    assert descriptions([InputFile(tmp_path / "absent", "x", 1.0)], [pair()]) == {}
    assert described(pair("owl").prompt.messages, {}) == pair("owl").prompt.messages
