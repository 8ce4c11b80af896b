"""What several journeys start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.kinds import KINDS
from tests.journeys.cluster import shortened
from tests.launching import launch, step_dir, unit_dir


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a short journey, undisturbed, on this machine; return the run's folder."""
    runs = tmp_path_factory.mktemp("short")
    launch("run", "pretrain", "--cluster", "local", *shortened(), runs=runs)
    return runs / "pretrain"


@pytest.fixture(scope="session")
def tokens(here: Path) -> dict[str, str]:
    """Give the patterns of its datasets and its tokenizer, for a recipe that starts from there."""
    return {
        "tokens": str(step_dir(here, "tokens.merge") / "units" / "*" / "*.bin"),
        "tokenizer": str(unit_dir(here, "tokenizer") / KINDS.tokenizer.file),
    }
