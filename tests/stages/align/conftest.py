"""Worlds for all tests of alignment: ranked responses with a reward model, and prompts with a policy."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from tests.stages.align.ppo.world import SETTINGS, write_prompts
from tests.stages.align.ranked import HELD, REWARD, Trained, reward_settings, write_ranked
from tests.stages.harness import run_stage, unit_folder
from tests.stages.train.ranks import Run, train


@pytest.fixture(scope="session")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[InputFile, ...]]:
    """Preferences of two sources, demonstrations and their tokenizer."""
    return write_ranked(tmp_path_factory.mktemp("ranked") / 'it\'s a "world"')


@pytest.fixture(scope="session")
def trained(ranked: Mapping[str, tuple[InputFile, ...]], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A reward model that read its score at an end-of-context token, through every step of the stage."""
    folder = tmp_path_factory.mktemp("trained")
    config = reward_settings(
        **HELD, steps=40, demonstrations="x", end_of_context="<|score|>", mixture={"people": 2.0, "rules": 1.0}
    )
    return Trained(folder, config, run_stage(config, ranked, folder))


@pytest.fixture(scope="session")
def rows(ranked: Mapping[str, tuple[InputFile, ...]], trained: Trained) -> str:
    """Folder of packed rows, with the tokenizer."""
    packed = unit_folder(trained.folder, "pack", 0)
    for path in ranked["tokenizer"][0].path.parent.glob("tokenizer.*"):
        shutil.copy(path, packed / path.name)
    return str(packed)


@pytest.fixture(scope="session")
def alone(rows: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The training of a reward model on one rank that nothing happened to."""
    run = Run(str(tmp_path_factory.mktemp("alone")), rows, REWARD, "align.reward")
    assert train(run) == [0]
    return run


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of prompts, tokenizer and rule of `align.ppo`."""
    return write_prompts(tmp_path_factory.mktemp("prompts"))


@pytest.fixture(scope="session")
def undisturbed(prompts: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished `align.ppo` on one rank that nothing happened to."""
    settings = {**SETTINGS, "rule": str(prompts / "rule.json")}
    run = Run(str(tmp_path_factory.mktemp("ppo")), str(prompts), settings, stage="align.ppo")
    assert train(run) == [0]
    return run
