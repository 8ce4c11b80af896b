"""Fixtures of the launcher's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.bench import Bench
from tests.jobs.toy_stage import Toy, make_code_root


@pytest.fixture(scope="session")
def code_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return this code with the toy stage in it."""
    return make_code_root(tmp_path_factory.mktemp("code"))


@pytest.fixture
def toy(code_root: Path, tmp_path: Path) -> Toy:
    """Return a toy journey of its own on the local cluster."""
    return Toy(code_root, tmp_path)


@pytest.fixture
def bench(toy: Toy) -> Bench:
    """Return toy jobs to be run one process at a time."""
    return Bench(toy)
