from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.formats.calls.apis import read_apis
from stages.formats.chat.syntheses import read_synthesis
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.tools.collect.config import CollectConfig
from tests.stages.harness import run_stage


def entry(name: str) -> dict[str, str]:
    return {"id": name, "pipeline_tag": "translation"}


def test_apis_of_all_files_come_once_and_the_rest_is_counted(tmp_path: Path) -> None:
    files = []
    for name, entries in (("a", [entry("x"), {}]), ("b", [entry("x"), entry("y")])):
        (tmp_path / f"{name}.json").write_text(json.dumps(entries))
        files.append(InputFile(tmp_path / f"{name}.json", "hub"))
    outputs = run_stage(CollectConfig(files="f", read={"hub": "hub"}), {"files": tuple(files)}, tmp_path / "run")
    (apis,) = outputs["apis"]
    assert [api.api_name for api in read_apis(apis.path)] == ["x", "y"]
    found = [read_synthesis(file.path) for file in outputs["synthesis"]]
    assert [dict(each.rejected) for each in found] == [{"other_format": 1}, {}, {"repeated_call": 1}]


def test_a_file_that_describes_no_api_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[{}]")
    with pytest.raises(DataError, match=r"describes no API .*Set `read\.hub`"):
        run_stage(
            CollectConfig(files="f", read={"hub": "hub"}),
            {"files": (InputFile(tmp_path / "a.json", "hub"),)},
            tmp_path / "run",
        )
