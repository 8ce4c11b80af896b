"""Planning: units by file or by share, and errors that name the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.vision.pictures.config import PicturesConfig


def config(**read: dict[str, Any]) -> PicturesConfig:
    return PicturesConfig.model_validate({"files": {"x": "/data/*"}, "read": read})


def files(*names: str, source: str = "x") -> dict[str, tuple[InputFile, ...]]:
    return {"files": tuple(InputFile(Path(name), source, 10.0) for name in names)}


def test_each_tar_is_a_unit_that_its_own_source_alone_concerns() -> None:
    plan = config(x={"format": "webdataset"}).plan(files("/a/0.tar", "/b/0.tar"))
    read, merge = plan.steps
    assert [unit.key for unit in read.units] == ["x/0.tar", "x/0.tar~2"]
    assert {unit.uses for unit in read.units} == {("read.x",)}
    assert read.uses == ("max_bytes", "max_pixels", "needs_text")
    assert merge.uses == ("max_per_caption",)
    assert [output.kind.name for output in plan.outputs] == ["pictures", "synthesis", "synthesis", "synthesis"]


def test_a_list_of_pictures_is_divided_into_shares_that_read_all_of_its_files() -> None:
    plan = config(x={"format": "llava", "folder": "/p", "shares": 3}).plan(files("/a.json", "/b.json"))
    assert [unit.key for unit in plan.steps[0].units] == ["x/0-of-3", "x/1-of-3", "x/2-of-3"]
    assert all(len(unit.inputs["files"]) == 2 for unit in plan.steps[0].units)
    assert [output.kind.name for output in plan.outputs].count("chats") == 3


@pytest.mark.parametrize(
    ("read", "given", "message"),
    [
        ({"y": {"format": "parquet"}}, files("/a.parquet"), r"files = 'x': must be a mapping .*known: y"),
        ({"x": {"format": "parquet"}, "b": {"format": "parquet"}}, files("/a.parquet"), "mapping with files of 'b'"),
        ({"x": {"format": "coco", "folder": "/p"}}, files("/a.tar"), r"must be files of \.json"),
        ({"x": {"format": "tsv"}}, files("/a.tsv"), r"read\.x\.folder = '': must be the folder of the pictures"),
        (
            {"x": {"format": "parquet", "folder": "/p"}},
            files("/a.parquet"),
            r"read\.x\.folder = '/p': must be left out",
        ),
        ({"x": {"format": "webdataset", "shares": 2}}, files("/a.tar"), r"read\.x\.shares = 2: must be 1"),
    ],
)
def test_a_source_its_format_and_its_files_belong_together(read: Any, given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**read).plan(given)


def test_a_folder_that_does_not_exist_is_found_before_anything_runs(tmp_path: Path) -> None:
    config(x={"format": "tsv", "folder": str(tmp_path)}).inspect({})
    with pytest.raises(ConfigError, match=r"read\.x\.folder = '/absent': must be a folder that exists"):
        config(x={"format": "tsv", "folder": "/absent"}).inspect({})
