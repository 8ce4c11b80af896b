"""Pictures by key, over several collections."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from stages.formats.pictures.collections import CollectionWriter, Picture
from stages.formats.pictures.tars import key_of
from stages.pictures.album import Album
from stages.shared.errors import DataError
from tests.stages.vision.train.world import SIZES, write_pictures


def test_a_picture_is_found_in_any_collection_and_a_key_of_two_is_that_of_the_first(tmp_path: Path) -> None:
    few, many = (write_pictures(tmp_path / str(count), count) for count in (4, 9))
    assert few.keys() < many.keys()
    album = Album([tmp_path / "4", tmp_path / "9"])
    for number, key in enumerate(many):
        assert album.size(key) == album.load(key).size == SIZES[number % len(SIZES)]


@pytest.mark.parametrize("key", ["0" * 32, "z" * 32, "", "\x00", "ä", "key\n", "a" * 1000])
def test_an_unknown_key_is_no_picture(key: str, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", 3)
    for folders in ([tmp_path / "pictures"], []):
        with pytest.raises(KeyError):
            Album(folders).size(key)


def test_a_picture_that_cannot_be_loaded_any_more_is_named(tmp_path: Path) -> None:
    data = b"no picture"
    with CollectionWriter(tmp_path / "pictures") as writer:
        writer.add(Picture(key=key_of(data), suffix="png", data=data, width=4, height=4), hash=1, colours=bytes(48))
    with pytest.raises(DataError, match=f"{key_of(data)}.*not_a_picture"):
        Album([tmp_path / "pictures"]).load(key_of(data))


def test_a_small_copy_keeps_the_shape_and_is_no_larger(tmp_path: Path) -> None:
    keys = write_pictures(tmp_path / "pictures", len(SIZES))
    album = Album([tmp_path / "pictures"])
    for (width, height), key in zip(SIZES, keys, strict=True):
        for side in (6, 10_000):
            head, _, text = album.thumbnail(key, side).partition(",")
            assert head == "data:image/webp;base64"
            found = Image.open(io.BytesIO(base64.b64decode(text))).size
            assert found == (width, height) if side == 10_000 else max(found) == min(side, max(width, height))


def test_pictures_that_no_collection_has_are_named_and_counted(tmp_path: Path) -> None:
    keys = write_pictures(tmp_path / "pictures", 3)
    album = Album([tmp_path / "pictures"])
    album.require(keys)
    with pytest.raises(DataError, match=r"'\.\./absent': lacks 2 of the pictures"):
        album.require([*keys, "absent", "../absent"])
    with pytest.raises(DataError, match="lacks 1 of the pictures"):
        Album([]).require(["a"])
