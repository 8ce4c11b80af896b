"""Collections of pictures: what is written is read, by us and as a plain tar, and what is lost is named."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from stages.formats.pictures.collections import MAX_CAPTIONS, Collection, CollectionWriter, Picture
from stages.formats.pictures.tars import join, key_of
from stages.shared.errors import DataError


def picture(number: int, captions: tuple[str, ...] = ("a cat", "一只猫")) -> Picture:
    data = f"picture {number}".encode() * (1 + 97 * number)
    about = {"name": f"n/{number}\n", "boxes": [{"label": "cat", "box": [0, 0, 1, 0.5]}]}
    return Picture(key=key_of(data), suffix="jpg", data=data, width=4, height=number, captions=captions, about=about)


def write(folder: Path, numbers: range) -> Collection:
    with CollectionWriter(folder) as writer:
        for number in numbers:
            writer.add(picture(number), 2**63 + number, bytes(range(48)), chats=number)
    return Collection(folder)


def test_a_position_gives_the_picture_and_its_texts(tmp_path: Path) -> None:
    with write(tmp_path / "a", range(5)) as collection:
        assert [collection[place] for place in (4, 0, 2)] == [picture(number) for number in (4, 0, 2)]
        assert len(collection) == 5
        assert [int(row["hash"]) - 2**63 for row in collection.rows] == [0, 1, 2, 3, 4]
        assert collection.positions([picture(3).key, "absent"]) == {picture(3).key: 3}


def test_the_tar_is_a_plain_one_with_pairs_of_members(tmp_path: Path) -> None:
    write(tmp_path / "a", range(3))
    with tarfile.open(tmp_path / "a" / "00000.tar") as tar:
        names = tar.getnames()
        assert [name.partition(".")[2] for name in names] == ["jpg", "json"] * 3
        assert [name.partition(".")[0] for name in names[::2]] == [picture(number).key for number in range(3)]
        member = tar.extractfile(names[1])
        assert member is not None
        assert json.load(member)["captions"] == ["a cat", "一只猫"]


def test_equal_pictures_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, range(4))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_cut_tar_is_refused_and_names_the_first_lost_picture(tmp_path: Path) -> None:
    collection = write(tmp_path / "a", range(5))
    path = tmp_path / "a" / "00000.tar"
    path.write_bytes(path.read_bytes()[: int(collection.rows[3]["offset"]) + 9])
    with pytest.raises(DataError, match=f"00000.tar: .*the first lost picture is {picture(3).key}"):
        Collection(tmp_path / "a")
    path.unlink()
    with pytest.raises(DataError, match=f"0 bytes, .*{picture(0).key}"):
        Collection(tmp_path / "a")


def test_changed_bytes_are_found_when_they_are_read(tmp_path: Path) -> None:
    collection = write(tmp_path / "a", range(2))
    with (tmp_path / "a" / "00000.tar").open("r+b") as file:
        file.seek(int(collection.rows[1]["offset"]))
        file.write(b"P")
    assert collection[0] == picture(0)
    with pytest.raises(DataError, match=rf"00000.tar:{picture(1).key}: the bytes are not those of the key"):
        collection[1]


@pytest.mark.parametrize("damage", ["no index", "pickle", "other format"])
def test_a_folder_that_is_no_collection_is_refused(tmp_path: Path, damage: str) -> None:
    write(tmp_path / "a", range(2))
    if damage == "no index":
        (tmp_path / "a" / "index.npy").unlink()
    elif damage == "pickle":
        np.save(tmp_path / "a" / "index.npy", np.array([{}], object), allow_pickle=True)
    else:
        (tmp_path / "a" / "collection.json").write_text('{"format": 9, "tars": {}, "rows": 2}')
    with pytest.raises(DataError, match="not a collection of pictures"):
        Collection(tmp_path / "a")


def test_joined_rows_point_into_their_own_tars_and_captions_can_be_left_out(tmp_path: Path) -> None:
    parts = [write(tmp_path / "a", range(3)), write(tmp_path / "b", range(3, 5))]
    rows = [part.rows.copy() for part in parts]
    rows[1]["captions"][1] = 0b10
    join(tmp_path / "all", parts, [rows[0][[True, False, True]], rows[1]])
    joined = Collection(tmp_path / "all")
    assert [joined[place] for place in range(3)] == [picture(0), picture(2), picture(3)]
    assert joined[3] == picture(4, ("一只猫",))


def test_an_empty_collection_and_too_many_captions(tmp_path: Path) -> None:
    assert len(write(tmp_path / "a", range(0))) == 0
    many = picture(1, tuple(map(str, range(MAX_CAPTIONS + 1))))
    with pytest.raises(ValueError, match="65 captions, at most 64"), CollectionWriter(tmp_path / "b") as writer:
        writer.add(many, 0, bytes(48))
    assert not (tmp_path / "b" / "collection.json").exists()
    full = picture(1, tuple(map(str, range(MAX_CAPTIONS))))
    with CollectionWriter(tmp_path / "c") as writer:
        writer.add(full, 0, bytes(48))
    assert Collection(tmp_path / "c")[0] == full
