"""The step: the same bytes each time, sounds that the loader reads, and texts that name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.chat.chats import read_chats
from stages.formats.sounds.collections import Sounds
from stages.pictures.sound import load_sound
from stages.sample.speech import config as settings
from stages.sample.speech.config import SpeechConfig
from stages.sample.speech.synthesis import HELD_OUT, VOICES
from tests.stages.harness import run_stage


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("purpose", ["transcripts", "questions", "exam"])
def test_a_section_makes_what_it_promises_and_the_same_bytes_again(purpose: str, tmp_path: Path) -> None:
    config = SpeechConfig.model_validate({"purpose": purpose, "sentences": 8})
    made = run_stage(config, {}, tmp_path / "first")
    run_stage(config, {}, tmp_path / "again")
    assert files_of(tmp_path / "first" / "steps") == files_of(tmp_path / "again" / "steps")
    with Sounds(made["sounds"][0].path) as collection:
        sounds = [collection[place] for place in range(len(collection))]
    assert len({each.key for each in sounds}) == 8
    assert {each.suffix for each in sounds} == {"wav", "flac"}
    held_out = {voice.name for voice in VOICES[-HELD_OUT:]}
    assert all((each.about["voice"] in held_out) == (purpose == "exam") for each in sounds)
    for each in sounds:
        samples = load_sound(each.data)
        assert len(samples) == each.samples and each.rate == 16_000
        assert each.transcript[0].isupper()
    if purpose != "exam":
        named = [chat.messages[0].parts[0].key for chat in read_chats(made["chats"][0].path)]
        assert named == [each.key for each in sounds]


def test_sounds_do_not_depend_on_how_they_are_divided_into_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SpeechConfig(purpose="transcripts", sentences=8)
    whole = run_stage(config, {}, tmp_path / "whole")
    monkeypatch.setattr(settings, "UNIT", 3)
    divided = run_stage(config, {}, tmp_path / "divided")
    assert len(divided["sounds"]) == 3
    keys = [[row["key"] for file in made["sounds"] for row in Sounds(file.path).rows] for made in (whole, divided)]
    assert keys[0] == keys[1]
