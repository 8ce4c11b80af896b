from pathlib import Path

import numpy as np
import pytest

from stages.shared.errors import DataError
from stages.web import artifacts
from stages.web.artifacts import KEPT, PAGE, PAGES, RANGES, Artifact
from stages.web.config import WebConfig
from tests.stages.web.test_plan import SIXTEEN

ALL = [value for value in vars(artifacts).values() if isinstance(value, Artifact)]


def test_what_is_saved_is_loaded_and_mapped(tmp_path: Path) -> None:
    PAGES.save(tmp_path, [(1, 2, 3, 0.5)])
    assert PAGES.load(tmp_path).tolist() == PAGES.map(tmp_path).tolist() == [(1, 2, 3, 0.5)]
    RANGES.save(tmp_path, [[1, 0, 60], [4, 2, 9]])
    assert RANGES.load(tmp_path).tolist() == [[1, 0, 60], [4, 2, 9]]


@pytest.mark.parametrize("artifact", ALL, ids=lambda artifact: artifact.name)
def test_an_artifact_without_rows_keeps_its_dtype_and_columns(tmp_path: Path, artifact: Artifact) -> None:
    artifact.save(tmp_path, [])
    found = artifact.load(tmp_path)
    assert found.dtype == artifact.dtype
    assert found.shape == ((0,) if artifact.columns is None else (0, artifact.columns))


@pytest.mark.parametrize("content", [np.zeros(3, np.int32), np.zeros((3, 2), np.uint64), np.zeros(3, PAGE)])
def test_an_array_of_another_version_is_refused_with_its_step(tmp_path: Path, content: np.ndarray) -> None:
    np.save(tmp_path / KEPT.name, content)
    for read in (KEPT.load, KEPT.map):
        with pytest.raises(DataError, match=r"kept\.npy: an array of .*another version.*step `documents` again"):
            read(tmp_path)


def test_every_artifact_names_steps_of_the_plan() -> None:
    steps = {step.name for step in WebConfig(inputs="x").plan({"inputs": SIXTEEN}).steps}
    assert {name for artifact in ALL for name in artifact.step.split(", ")} <= steps
    assert len({artifact.name for artifact in ALL}) == len(ALL)
