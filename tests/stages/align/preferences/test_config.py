"""Planning: a unit a file, and errors that name the source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.align.preferences.config import PreferencesConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError


def config(**read: str) -> PreferencesConfig:
    return PreferencesConfig.model_validate({"files": {"hh": "/data/*.jsonl"}, "read": read})


def test_each_file_is_a_unit_that_its_own_format_alone_concerns() -> None:
    files = (InputFile(Path("/a/x.jsonl.gz"), "hh"), InputFile(Path("/b/x.jsonl.gz"), "hh"))
    plan = config(hh="hh_rlhf").plan({"files": files})
    assert [unit.uses for unit in plan.steps[0].units] == [("read.hh",), ("read.hh",)]
    assert len({unit.key for unit in plan.steps[0].units}) == 2
    assert [output.kind.name for output in plan.outputs] == ["preferences"] * 2 + ["synthesis"] * 2


@pytest.mark.parametrize(
    ("read", "file", "message"),
    [
        ({"hx": "hh_rlhf"}, InputFile(Path("/a.jsonl"), "hh"), r"files = 'hh': must be a mapping .*did you mean 'hx'"),
        ({"hh": "shp", "b": "shp"}, InputFile(Path("/a.jsonl"), "hh"), r"must be a mapping with files of 'b'"),
        ({"hh": "shp"}, InputFile(Path("/a.parquet"), "hh"), r"must be files of \.json"),
    ],
)
def test_a_source_and_its_format_belong_together(read: dict[str, str], file: InputFile, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**read).plan({"files": (file,)})


def test_a_file_of_another_format_is_found_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"chosen": "a", "rejected": "b"}))
    files = {"files": (InputFile(path, "hh"),)}
    config(hh="hh_rlhf").inspect(files)
    with pytest.raises(ConfigError, match=r"read\.hh = 'shp': must be the format of .* \(for example hh_rlhf\)"):
        config(hh="shp").inspect(files)
    path.write_text("{}")
    with pytest.raises(ConfigError, match=r"must be the format of .*: fields history, human_ref_A"):
        config(hh="shp").inspect(files)
