"""A small model's checkpoint for the tests of models."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.stages.model.saved import save_untrained


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "it's a $(checkpoint)"
    save_untrained(folder)
    return folder


@pytest.fixture
def checkpoint(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "checkpoint"))
