from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.readings import Reading, write_readings
from stages.report.part import Material
from stages.report.parts.training.read import read
from tests.stages.report.journey import START, made, make_run


def test_metrics_layers_and_ranks_are_read(tmp_path: Path) -> None:
    files = read(Material(section="pretrain", files=make_run(tmp_path / "run"), run_dir=tmp_path, made=START))
    assert [row["step"] for row in files.rows] == list(range(1, 401))
    assert {row["part"] for row in files.layers} >= {"embedding", "head"}
    assert files.ranks is not None
    assert files.readings == []


def test_sources_are_read_if_the_training_wrote_them(tmp_path: Path) -> None:
    found = [Reading("web", 1_000, 0.75, 1.5)]
    write_readings(tmp_path / "readings.json", found)
    files = (made(KINDS.readings, "pretrain", tmp_path / "readings.json"),)
    assert read(Material(section="pretrain", files=files, run_dir=tmp_path, made=START)).readings == found
