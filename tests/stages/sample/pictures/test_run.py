"""The step: the same bytes each time, units that do not depend on their number, and texts that name its pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.chat.chats import read_chats
from stages.formats.pictures.collections import Collection
from stages.pictures.load import load_picture
from stages.sample.pictures import config as settings
from stages.sample.pictures.config import PicturesConfig
from tests.stages.harness import run_stage


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("purpose", ["captions", "questions", "exam"])
def test_a_section_makes_what_it_promises_and_the_same_bytes_again(purpose: str, tmp_path: Path) -> None:
    config = PicturesConfig.model_validate({"purpose": purpose, "pictures": 40})
    made = run_stage(config, {}, tmp_path / "first")
    run_stage(config, {}, tmp_path / "again")
    assert files_of(tmp_path / "first" / "steps") == files_of(tmp_path / "again" / "steps")
    assert set(made) == {"pictures", "definition" if purpose == "exam" else "chats"}
    with Collection(made["pictures"][0].path) as collection:
        pictures = [collection[place] for place in range(len(collection))]
    assert len({each.key for each in pictures}) == 40
    assert all(load_picture(each.data).size == (64, 64) == (each.width, each.height) for each in pictures)
    assert all(len(each.captions) == 2 and each.about["boxes"] for each in pictures)
    if purpose != "exam":
        named = [part.key for chat in read_chats(made["chats"][0].path) for part in chat.messages[0].parts]
        assert {key for key in named if key} == {each.key for each in pictures}


def test_what_is_noted_has_no_pictures(tmp_path: Path) -> None:
    made = run_stage(PicturesConfig(purpose="notes", pictures=40), {}, tmp_path)
    assert set(made) == {"chats"}
    assert len([*read_chats(made["chats"][0].path)]) == 3 * 40


def test_pictures_do_not_depend_on_how_they_are_divided_into_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PicturesConfig(purpose="questions", pictures=40)
    whole = run_stage(config, {}, tmp_path / "whole")
    monkeypatch.setattr(settings, "UNIT", 15)
    divided = run_stage(config, {}, tmp_path / "divided")
    assert len(divided["pictures"]) == len(divided["chats"]) == 3
    keys = [
        [row["key"] for file in made["pictures"] for row in Collection(file.path).rows] for made in (whole, divided)
    ]
    assert keys[0] == keys[1]
    texts = [b"".join(file.path.read_bytes() for file in made["chats"]) for made in (whole, divided)]
    assert texts[0] == texts[1]
