"""What several journeys start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.cluster import DATA
from tests.launching import launch, step_dir


@pytest.fixture(scope="session")
def data_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a small sample web up to its tokens, undisturbed, on this machine; return the run's folder."""
    runs = tmp_path_factory.mktemp("data")
    (runs / "data.yaml").write_text(f"targets: [tokens]\n{DATA}")
    launch("run", str(runs / "data.yaml"), "--cluster", "local", runs=runs)
    return runs / "data"


@pytest.fixture(scope="session")
def tokens(data_run: Path) -> dict[str, str]:
    """Give the patterns of its datasets and its tokenizer, for a recipe that starts from there."""
    return {
        "tokens": str(step_dir(data_run, "tokens.merge") / "shards" / "00000" / "*.bin"),
        "tokenizer": str(step_dir(data_run, "tokenizer") / "shards" / "00000" / "tokenizer.model"),
    }
