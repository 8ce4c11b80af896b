"""Pictures of several collections by key."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from stages.formats.pictures.collections import CollectionWriter, Picture, key_of
from stages.pictures.album import Album
from stages.shared.errors import DataError
from tests.stages.pictures.made import drawn, encoded


def write(folder: Path, *data: bytes) -> Path:
    with CollectionWriter(folder) as writer:
        for each in data:
            writer.add(Picture(key=key_of(each), suffix="png", data=each, width=90, height=30), 0, bytes(48))
    return folder


def test_a_picture_of_any_collection_is_found_by_its_key(tmp_path: Path) -> None:
    one, two = (encoded(drawn(90, 30, seed)) for seed in (1, 2))
    album = Album([write(tmp_path / "one", one), write(tmp_path / "two", two, one)])
    album.require([key_of(one), key_of(two)])
    assert album.size(key_of(two)) == (90, 30)
    assert album.image(key_of(two)).tobytes() == drawn(90, 30, 2).tobytes()


def test_a_small_copy_keeps_the_shape_and_is_no_larger(tmp_path: Path) -> None:
    data = encoded(drawn(90, 30))
    album = Album([write(tmp_path / "one", data)])
    for side, size in ((45, (45, 15)), (400, (90, 30))):
        head, _, text = album.thumbnail(key_of(data), side).partition(",")
        assert head == "data:image/webp;base64"
        assert Image.open(io.BytesIO(base64.b64decode(text))).size == size


def test_an_unknown_key_and_a_picture_that_no_longer_loads_are_named(tmp_path: Path) -> None:
    broken = encoded(drawn(90, 30))[:200]
    album = Album([write(tmp_path / "one", broken)])
    with pytest.raises(DataError, match="lacks 1 of the pictures"):
        album.require(["../absent"])
    with pytest.raises(DataError, match=f"{key_of(broken)}: a picture cannot be loaded .truncated"):
        album.image(key_of(broken))
    with pytest.raises(DataError, match="lacks 2 of the pictures"):
        Album([]).require(["a", "b"])
