from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.tools.collect.config import CollectConfig

CONFIG = CollectConfig(files="x", read={"town": "openapi"})


def test_each_file_is_a_unit_of_its_own_source() -> None:
    plan = CONFIG.plan({"files": (InputFile(Path("/a/town.yaml"), "town"), InputFile(Path("/b/town.yaml"), "town"))})
    assert [unit.key for unit in plan.steps[0].units] == ["town/town.yaml", "town/town.yaml~2"]
    assert [output.kind.name for output in plan.outputs] == ["apis", "synthesis", "synthesis", "synthesis"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (InputFile(Path("a.yaml"), "towns"), r"files = 'towns': must be a mapping .*did you mean 'town'"),
        (InputFile(Path("a.py"), "town"), r"files = 'a\.py': must be files of \.json, \.yaml, \.yml"),
    ],
)
def test_a_source_its_format_and_its_files_belong_together(file: InputFile, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CONFIG.plan({"files": (file,)})
