"""Lists that name pictures: each record belongs to one share, and no name leads out of the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.formats.chat.rejects import Reject
from stages.shared.errors import DataError
from stages.vision.pictures.lists import list_samples
from stages.vision.pictures.samples import Sample

FOLDER = Path("/pictures")


def samples(format_: str, path: Path, folder: Path = FOLDER) -> list[Sample | Reject]:
    return [sample for _, sample in list_samples(format_, [path], folder, 0, 1)]


def reasons(found: list[Sample | Reject]) -> list[str]:
    return [each.reason if isinstance(each, Reject) else "" for each in found]


def test_llava_has_one_picture_several_or_none(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>\nwhat?"}, {"from": "gpt", "value": "a cat"}]
    records: list[Any] = [
        {"id": 7, "image": "a/1.jpg", "conversations": turns},
        {"id": "b", "image": ["1.jpg", "2.jpg"], "conversations": turns},
        {"id": "c", "conversations": turns},
        {"image": "3.jpg", "caption": "a dog"},
        {"image": "../x.jpg", "caption": "x"},
        {"image": "/etc/passwd", "caption": "x"},
        {"image": 5, "caption": "x"},
        {"image": "4.jpg"},
        [],
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(records))
    found = samples("llava", path)
    outside = ["outside_the_folder"] * 2
    assert reasons(found) == ["", "", "", "", *outside, "no_picture_name", "other_format", "other_format"]
    first, second, third, fourth = (each for each in found[:4] if isinstance(each, Sample))
    assert (first.name, first.pictures, first.turns[1].text) == ("7", [FOLDER / "a/1.jpg"], "a cat")
    assert (len(second.pictures), third.pictures, fourth.captions) == (2, [], ("a dog",))


def test_shares_divide_a_source_and_keep_a_picture_together(tmp_path: Path) -> None:
    records = [{"id": str(n), "image": f"{n % 20}.jpg", "caption": str(n)} for n in range(60)]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, records)) + "\n{broken")
    shares = [dict(list_samples("llava", [path], FOLDER, share, 3)) for share in range(3)]
    assert sum(map(len, shares)) == 61
    pictures = [{sample.pictures[0] for sample in share.values() if isinstance(sample, Sample)} for share in shares]
    assert not (pictures[0] & pictures[1] or pictures[1] & pictures[2] or pictures[0] & pictures[2])
    assert [reason for share in shares for reason in reasons(list(share.values())) if reason] == ["unreadable_record"]


def test_conceptual_captions_names_a_file_a_url_or_a_number(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.tsv", tmp_path / "p"
    folder.mkdir()
    (folder / "000000002.jpg").touch()
    (folder / "a b.png").touch()
    lines = [
        "one\t1.jpg",
        "two\thttps://x.org/p/a%20b.png?w=1",
        "three\u2028still\thttps://x.org/p/absent.jpg",
        "four",
        "",
    ]
    path.write_text("\n".join(lines))
    found = samples("tsv", path, folder)
    assert [each.pictures[0].name for each in found if isinstance(each, Sample)] == [
        "1.jpg",
        "a b.png",
        "000000002.jpg",
    ]  # type: ignore[union-attr]
    assert reasons(found) == ["", "", "", "other_format"]


def test_coco_gathers_the_captions_and_boxes_of_a_picture_from_several_files(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "1.jpg", "width": 200, "height": 100}, {"id": 2, "file_name": "2.jpg"}]
    captions = [{"image_id": 1, "caption": "a"}, {"image_id": 1, "caption": "b"}, {"image_id": 9, "caption": "c"}]
    boxes = [
        {"image_id": 1, "bbox": [20, 50, 100, 60], "category_id": 3},
        {"image_id": 1, "bbox": [0, 0, 0, 9], "category_id": 3},
    ]
    paths = [tmp_path / "captions.json", tmp_path / "instances.json"]
    paths[0].write_text(json.dumps({"images": images, "annotations": captions}))
    categories = [{"id": 3, "name": "cat"}]
    paths[1].write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    found = [sample for _, sample in list_samples("coco", paths, FOLDER, 0, 1)]
    assert reasons(found) == ["annotation_without_picture", "", ""]
    assert isinstance(found[1], Sample)
    assert (found[1].captions, found[1].boxes) == (["a", "b"], [{"label": "cat", "box": [0.1, 0.5, 0.6, 1.0]}])
    paths[0].write_text("[]")
    with pytest.raises(DataError, match="not COCO's format"):
        list(list_samples("coco", paths, FOLDER, 0, 1))
