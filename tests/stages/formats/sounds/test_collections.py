"""Collections of sounds: what is written is read, and a collection of pictures is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.pictures.collections import CollectionWriter
from stages.formats.pictures.tars import join, key_of
from stages.formats.sounds.collections import Sound, Sounds, SoundsWriter
from stages.shared.errors import DataError


def sound(number: int) -> Sound:
    data = f"sound {number}".encode() * (1 + 97 * number)
    about = {"name": f"n/{number}", "voice": "a"}
    return Sound(
        key=key_of(data), suffix="flac", data=data, samples=160 * number, rate=16_000, transcript="héron", about=about
    )


def write(folder: Path, numbers: range) -> Sounds:
    with SoundsWriter(folder) as writer:
        for number in numbers:
            writer.add(sound(number))
    return Sounds(folder)


def test_a_position_gives_the_sound_and_its_words_also_in_a_joined_collection(tmp_path: Path) -> None:
    with write(tmp_path / "a", range(3)) as first, write(tmp_path / "b", range(3, 5)) as second:
        assert [first[place] for place in range(3)] == [sound(number) for number in range(3)]
        join(tmp_path / "joined", [first, second], [first.rows[1:], second.rows])
    with Sounds(tmp_path / "joined") as joined:
        assert [joined[place] for place in range(4)] == [sound(number) for number in (1, 2, 3, 4)]
        assert joined.rows["samples"].tolist() == [160, 320, 480, 640]


def test_a_collection_of_pictures_and_a_cut_tar_are_refused_in_words_of_sounds(tmp_path: Path) -> None:
    with CollectionWriter(tmp_path / "pictures"):
        pass
    with pytest.raises(DataError, match="not a collection of sounds"):
        Sounds(tmp_path / "pictures")
    write(tmp_path / "cut", range(3))
    tar = tmp_path / "cut" / "00000.tar"
    tar.write_bytes(tar.read_bytes()[:515])
    with pytest.raises(DataError, match=f"the first lost sound is {sound(0).key}"):
        Sounds(tmp_path / "cut")
