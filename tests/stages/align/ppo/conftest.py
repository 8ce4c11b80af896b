"""One world of prompts, and one undisturbed run, for all tests of `align.ppo`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.align.ppo.world import SETTINGS, write_prompts
from tests.stages.train.ranks import Run, train


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of prompts, tokenizer and rule."""
    return write_prompts(tmp_path_factory.mktemp("prompts"))


@pytest.fixture(scope="session")
def undisturbed(prompts: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on one rank that nothing happened to."""
    settings = {**SETTINGS, "rule": str(prompts / "rule.json")}
    run = Run(str(tmp_path_factory.mktemp("ppo")), str(prompts), settings, stage="align.ppo")
    assert train(run) == [0]
    return run
