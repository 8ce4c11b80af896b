"""Tars and Parquet: keys with dots, lost and scattered members, cut files, pickles, columns."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from stages.formats.chat.rejects import Reject
from stages.shared.errors import DataError
from stages.vision.pictures.samples import Sample
from stages.vision.pictures.shards import parquet_samples, tar_samples


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def tar(path: Path, members: list[tuple[str, bytes]], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w") as file:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = len(data), kind
            file.addfile(member, io.BytesIO(data))
    return path


def read(path: Path, mended: Counter[str] | None = None) -> dict[Any, Sample | Reject]:
    return dict(tar_samples(path, 1000, Counter() if mended is None else mended))


def described(found: dict[Any, Sample | Reject]) -> dict[Any, Any]:
    return {key: each.reason if isinstance(each, Reject) else list(each.captions) for key, each in found.items()}


def test_a_key_is_all_before_the_known_extension(tmp_path: Path) -> None:
    members = [("a/x 2.0 y.jpg", b"1"), ("a/x 2.0 y.txt", b"two"), ("b\n.PNG", b"2"), ("b\n.json", b'{"caption": "c"}')]
    assert described(read(tar(tmp_path / "x.tar", members))) == {"a/x 2.0 y": ["two"], "b\n": ["c"]}


def test_pickles_links_and_unknown_members_are_counted_and_never_opened(tmp_path: Path) -> None:
    trap = pickle.dumps(Trap(tmp_path / "harm"))
    members = [("a.pyd", trap), ("a.jpg", b"1"), ("a.pickle", trap), ("a.txt", b"t"), ("../../b.cls", b"1")]
    mended: Counter[str] = Counter()
    found = read(tar(tmp_path / "x.tar", members), mended)
    assert described(found) == {"a": ["t"]}
    assert mended == {"other_members": 3}
    assert not (tmp_path / "harm").exists()
    mended.clear()
    assert read(tar(tmp_path / "y.tar", [("a.jpg", b"")], tarfile.SYMTYPE), mended) == {}
    assert mended == {"other_members": 1}


def test_half_samples_and_bad_texts_have_their_reasons(tmp_path: Path) -> None:
    members = [
        ("a.jpg", b"1"),
        ("b.jpg", b"2"),
        ("b.txt", b"b"),
        ("c.txt", b"no picture"),
        ("d.jpg", b"3"),
        ("d.png", b"3"),
        ("e.jpg", b"4"),
        ("e.txt", b"\xff"),
        ("f.jpg", bytes(1001)),
        ("g.jpg", b"5"),
        ("g.jpg", b"6"),
        ("h.jpg", b"7"),
        ("h.json", b"[1]"),
    ]
    assert described(read(tar(tmp_path / "x.tar", members))) == {
        "a": [],
        "b": ["b"],
        "c": "no_picture",
        "d": "several_pictures",
        "e": "unreadable_text",
        "f": "too_many_bytes",
        "g": "repeated_member",
        "h": "unreadable_text",
    }


def test_members_that_lie_apart_are_never_joined_in_silence(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", [("a.jpg", b"1"), ("b.jpg", b"2"), ("b.txt", b"b"), ("a.txt", b"a")])
    found = [(key, each.reason if isinstance(each, Reject) else "") for key, each in tar_samples(path, 99, Counter())]
    assert found == [("a", ""), ("b", ""), ("a", "scattered_members")]


def test_a_cut_tar_is_an_error_wherever_it_is_cut(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", [(f"{n}.{kind}", bytes(600)) for n in range(4) for kind in ("jpg", "txt")])
    data = path.read_bytes()
    for size in (8 * 1536, 5 * 1536, 5 * 1536 + 100, 5 * 1536 + 512, 5 * 1536 + 700, 5 * 1536 + 1100):
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match="the tar is damaged or cut"):
            read(path)
    path.write_bytes(b"<html>" * 300)
    with pytest.raises(DataError, match="the tar is damaged or cut"):
        read(path)


@pytest.mark.parametrize("is_struct", [True, False])
def test_parquet_has_pictures_as_bytes_or_as_hugging_face_has_them(tmp_path: Path, is_struct: bool) -> None:
    pictures: list[Any] = [b"1", b"2", None]
    column = [{"bytes": each, "path": None} for each in pictures] if is_struct else pictures
    table = pyarrow.table({"image": column, "caption": ["a", "b", "c"], "other": [1, 2, 3]})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    found = dict(parquet_samples(tmp_path / "x.parquet"))
    assert described(found) == {1: ["a"], 2: ["b"], 3: "no_picture"}


def test_parquet_that_is_cut_or_has_no_pictures_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"url": ["a"], "caption": ["b"]}), path)
    with pytest.raises(DataError, match="no column of pictures among url, caption"):
        list(parquet_samples(path))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="not readable as Parquet"):
        list(parquet_samples(path))
