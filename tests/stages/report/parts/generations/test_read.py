from pathlib import Path

import pytest

from stages.formats.kinds import KINDS
from stages.report.part import Material
from stages.report.parts.generations.read import read
from stages.shared.errors import DataError
from tests.stages.report.journey import START, made, make_run


def test_the_continuations_come_in_plan_order(tmp_path: Path) -> None:
    found = read(Material(section="evaluate", files=make_run(tmp_path / "run"), run_dir=tmp_path, made=START))
    assert [one.source for one in found] == ["final", "final", "untrained", "untrained"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "generations").write_text("{}\n")
    files = (made(KINDS.generations, "evaluate", tmp_path / "generations"),)
    with pytest.raises(DataError, match="generations:1: not a generation"):
        read(Material(section="evaluate", files=files, run_dir=tmp_path, made=START))
