"""Measurements of a reward model: they agree with scores that are computed one by one, in every layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from stages.align.encode import DEMONSTRATIONS
from stages.align.scoring import RewardModel
from stages.formats.chat.compared import ComparedRows
from stages.formats.chat.reward_reports import read_reward_report
from stages.model.checkpoint.load import load_model
from stages.model.checkpoint.reading import verify
from stages.model.checkpoint.settings import read_settings
from stages.shared.contract import InputFile
from tests.stages.align.ranked import Trained
from tests.stages.harness import unit_folder

World = Mapping[str, tuple[InputFile, ...]]


@pytest.fixture(scope="module")
def model(ranked: World, trained: Trained) -> RewardModel:
    return RewardModel(trained.final, ranked["tokenizer"][0].path, "stagecoach")


def inputs(path: Path) -> list[list[int]]:
    rows = ComparedRows(path)
    return [rows.example(number).tokens.tolist() for number in range(len(rows.lengths))]


def test_the_demonstrations_have_the_mean_reward_0(trained: Trained, model: RewardModel) -> None:
    rewards = model.score_ids(inputs(unit_folder(trained.folder, "pack", 0) / DEMONSTRATIONS))
    assert len(rewards) == 12
    assert sum(rewards) / len(rewards) == pytest.approx(0.0, abs=1e-6)
    assert model.scale.end_of_context == "<|score|>"


def test_the_report_has_the_held_out_pairs_their_sources_and_the_controls(trained: Trained) -> None:
    report = read_reward_report(trained.outputs["reward"][0].path)
    assert report.all.accuracy > 0.8 > report.untrained.accuracy
    assert report.longer.accuracy < report.all.accuracy
    assert sum(each.pairs for each in report.sources.values()) == report.all.pairs > 10
    assert sum(each.pairs for each in report.bins) == report.all.pairs
    assert 0 <= report.calibration_error < 0.5
    assert report.demonstrations == 12


def test_the_mean_reward_of_the_report_is_that_of_the_held_out_responses(trained: Trained, model: RewardModel) -> None:
    folder = unit_folder(trained.folder, "pack", 0)
    rewards = [reward for path in sorted(folder.glob("heldout-*.bin")) for reward in model.score_ids(inputs(path))]
    report = read_reward_report(trained.outputs["reward"][0].path)
    assert report.mean == pytest.approx(sum(rewards) / len(rewards), abs=1e-5)


def test_the_checkpoint_with_the_scale_is_whole_and_shares_its_weights_files(trained: Trained) -> None:
    verify(trained.final)
    plain = unit_folder(trained.folder, "reward", 0) / "final"
    assert read_settings(plain).reward is None
    scale = read_settings(trained.final).reward
    assert scale is not None
    assert replace(read_settings(trained.final), reward=None) == read_settings(plain)
    (weights,) = trained.final.glob("*.distcp")
    assert weights.stat().st_ino == (plain / weights.name).stat().st_ino
    assert load_model(trained.final).reward == scale
