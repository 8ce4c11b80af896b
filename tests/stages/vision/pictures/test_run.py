"""The stage on whole sources: pictures once, texts together, everything else counted with samples."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from stages.formats.chat.chats import read_chats
from stages.formats.chat.syntheses import Synthesis, read_synthesis
from stages.formats.pictures.collections import Collection
from stages.formats.pictures.tars import key_of
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.vision.pictures.config import PicturesConfig
from tests.launching import launch
from tests.stages.harness import run_stage
from tests.stages.pictures.made import broken_files, drawn, encoded


def run(
    root: Path, files: dict[str, Path], read: dict[str, Any], heldout: Path | None = None, **settings: Any
) -> tuple[Collection, dict[str, Synthesis], dict[str, Any]]:
    """Return the collection, the syntheses of the units by source, and all outputs."""
    config = PicturesConfig.model_validate({"files": "x", "read": read, **settings})
    inputs = {"files": tuple(InputFile(path, source, 0.1) for source, path in files.items())}
    if heldout:
        inputs["heldout"] = (InputFile(heldout, "exam"),)
    outputs = run_stage(config, inputs, root)
    (folder,) = outputs["pictures"]
    syntheses = {file.source: read_synthesis(file.path) for file in outputs["synthesis"]}
    return Collection(folder.path), syntheses, outputs


def shard(path: Path, samples: list[tuple[str, bytes, str]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data, caption in samples:
            for extension, content in (("jpg", data), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{name}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


PICTURES = [encoded(drawn(40, 30, seed), "JPEG") for seed in range(6)]
TARS = {"format": "webdataset"}


def test_broken_pictures_are_counted_with_samples_and_the_order_of_the_rest_stays(tmp_path: Path) -> None:
    broken = broken_files()
    samples = [(f"good{n}", data, f"caption {n}") for n, data in enumerate(PICTURES)]
    samples[3:3] = [(f"bad-{place}", data, name) for place, (name, (data, _)) in enumerate(broken.items())]
    collection, syntheses, _ = run(tmp_path / "run", {"x": shard(tmp_path / "x.tar", samples)}, {"x": TARS})
    assert [collection[place].captions[0] for place in range(6)] == [f"caption {n}" for n in range(6)]
    assert [collection[place].data for place in range(6)] == PICTURES
    found = syntheses["x"]
    assert (found.candidates, found.kept, sum(found.rejected.values())) == (46, 6, 40)
    reasons = [reason for _, reason in broken.values()]
    assert found.rejected == {reason: reasons.count(reason) for reason in reasons}
    assert {sample["reason"] for sample in found.samples} == set(reasons)
    assert all(str(sample["record"]).startswith("bad-") for sample in found.samples)


def test_a_repeated_caption_stays_once_and_a_repeated_picture_keeps_its_other_captions(tmp_path: Path) -> None:
    first = shard(
        tmp_path / "a.tar", [("1", PICTURES[0], "A cat"), ("2", PICTURES[1], "a  CAT"), ("3", PICTURES[2], "c")]
    )
    second = shard(
        tmp_path / "b.tar", [("1", PICTURES[0], "one more"), ("2", PICTURES[3], "a cat"), ("3", PICTURES[0], "x")]
    )
    files, read = {"a": first, "b": second}, {"a": TARS, "b": TARS}
    collection, syntheses, _ = run(tmp_path / "run", files, read)
    texts = [collection[place].captions for place in range(len(collection))]
    assert texts == [("A cat",), ("c",), ("one more", "x")]
    assert syntheses["pictures"].rejected == {"repeated_caption": 2}
    everything, syntheses, _ = run(tmp_path / "all", files, read, max_per_caption=0)
    assert len(everything) == 5
    assert syntheses["pictures"].rejected == {}


def test_conversations_name_pictures_by_key_and_share_them(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, data in enumerate(PICTURES[:3]):
        (folder / f"{number}.jpg").write_bytes(data)
    (folder / "cut.jpg").write_bytes(PICTURES[3][:500])
    answer = {"from": "gpt", "value": "a cat"}
    asked = {"from": "human", "value": "<image>\nwhat?"}
    both = {"from": "human", "value": "a <image> or <image>?"}
    records = [
        {"id": "1", "image": "0.jpg", "conversations": [asked, answer]},
        {"id": "2", "image": "0.jpg", "conversations": [asked, answer, {"from": "human", "value": "more"}, answer]},
        {"id": "3", "image": ["1.jpg", "2.jpg"], "conversations": [both, answer]},
        {"id": "4", "conversations": [{"from": "human", "value": "no <image>"}, answer]},
        {"id": "5", "image": ["1.jpg", "cut.jpg"], "conversations": [both, answer]},
        {"id": "6", "image": "absent.jpg", "conversations": [asked, answer]},
        {"id": "7", "image": "0.jpg", "conversations": [both, answer]},
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(records))
    read = {"x": {"format": "llava", "folder": str(folder), "shares": 2}}
    collection, _, outputs = run(tmp_path / "run", {"x": path}, read)
    chats = {chat.id: chat for file in outputs["chats"] for chat in read_chats(file.path)}
    keys = {
        name: [part.key for message in chat.messages for part in message.parts if part.type == "picture"]
        for name, chat in chats.items()
    }
    key = [key_of(data) for data in PICTURES]
    assert keys == {"x/1": [key[0]], "x/2": [key[0]], "x/3": [key[1], key[2]], "x/4": []}
    assert collection.positions(key).keys() == set(key[:3])
    assert len(collection) == 3
    rejected: dict[str, int] = {}
    for file in outputs["synthesis"]:
        rejected |= read_synthesis(file.path).rejected
    assert rejected == {"truncated": 1, "missing_file": 1, "marks_differ": 1}


def test_near_copies_of_evaluation_pictures_are_left_out(tmp_path: Path) -> None:
    seen = encoded(drawn(160, 120, 9), "JPEG")
    exam = shard(tmp_path / "exam.tar", [("1", seen, ""), ("2", PICTURES[1], "")])
    _, _, outputs = run(tmp_path / "exam", {"exam": exam}, {"exam": TARS}, needs_text=False)
    copy = encoded(drawn(160, 120, 9).resize((100, 75)), "JPEG", quality=80)
    path = shard(tmp_path / "x.tar", [("1", copy, "a"), ("2", PICTURES[2], "b"), ("3", PICTURES[1], "c")])
    collection, syntheses, _ = run(tmp_path / "run", {"x": path}, {"x": TARS}, outputs["pictures"][0].path)
    assert [collection[place].captions for place in range(len(collection))] == [("b",)]
    assert syntheses["x"].rejected == {"evaluation_picture": 2}


def test_other_formats_are_stored_as_png_and_the_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    samples = [("1", encoded(drawn(20, 10, 1), "BMP"), "a"), ("2", encoded(drawn(20, 10, 2), "TIFF"), "b")]
    path = shard(tmp_path / "x.tar", samples)
    first, *_ = run(tmp_path / "a", {"x": path}, {"x": TARS})
    second, *_ = run(tmp_path / "b", {"x": path}, {"x": TARS})
    assert [first[place].suffix for place in range(2)] == ["png", "png"]
    assert [file.read_bytes() for file in sorted(first.folder.iterdir())] == [
        file.read_bytes() for file in sorted(second.folder.iterdir())
    ]


def test_a_sample_without_text_and_a_source_without_samples(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.tar", [("1", PICTURES[0], " "), ("2", PICTURES[1], "")])
    with pytest.raises(DataError, match=r"none of 2 samples can be used \(\{'no_text': 2\}\).*Look at `read\.x`"):
        run(tmp_path / "run", {"x": path}, {"x": TARS})


def test_a_run_reads_again_only_the_tar_that_failed(tmp_path: Path) -> None:
    shards = [
        shard(tmp_path / f"{name}.tar", [(str(n), PICTURES[n], f"{name} {n}") for n in numbers])
        for name, numbers in (("whole", (0, 1)), ("cut", (2, 3)))
    ]
    whole = shards[1].read_bytes()
    shards[1].write_bytes(whole[: len(whole) // 2])
    section = {"stage": "vision.pictures", "files": {"x": str(tmp_path / "*.tar")}, "read": {"x": TARS}}
    recipe = tmp_path / "r.yaml"
    recipe.write_text(json.dumps({"about": "Two tars.", "targets": ["pictures"], "pictures": section}))
    command = ("run", str(recipe), "--cluster", "local", "--yes")
    first = launch(*command, runs=tmp_path, check=None)
    assert first.returncode and "cut.tar" in first.stdout + first.stderr
    (kept,) = (tmp_path / "r/steps/pictures.read").glob("*/units/*/pictures")
    written = kept.stat().st_mtime_ns
    shards[1].write_bytes(whole)
    launch(*command, runs=tmp_path)
    assert kept.stat().st_mtime_ns == written
    assert len([*(tmp_path / "r/steps/pictures.read").glob("*/units/*/pictures")]) == 2
    (merged,) = (tmp_path / "r/steps/pictures.merge").glob("*/units/*/pictures")
    assert sorted(each.captions[0] for each in map(Collection(merged).__getitem__, range(4))) == [
        *("cut 2", "cut 3", "whole 0", "whole 1")
    ]
