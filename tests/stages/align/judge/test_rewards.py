"""A reward model judges: the cheaper price wins, in any shards, and what it cannot score counts for no side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from stages.align.judge.config import JudgeConfig
from stages.formats.chat.judgements import read_judgement, read_verdicts
from stages.formats.preferences import read_preferences
from stages.shared.contract import InputFile
from tests.stages.align.judge.judges import write_answers
from tests.stages.align.ranked import Trained
from tests.stages.harness import run_stage

World = Mapping[str, tuple[InputFile, ...]]
COUNT = 6


def judged(ranked: World, trained: Trained, folder: Path, shards: int, margin: float = 0.0) -> dict[str, Path]:
    policies = {
        "sft": lambda number: f"bread is {number + 2} pence.",
        "ppo": lambda number: "bread is 1 pence.",
        "long": lambda number: " ".join(["bread is 1 pence."] * (1 if number % 2 else 400)),
    }
    config = JudgeConfig.model_validate(
        {
            **{"answers": "x", "against": "sft", "reward": "x", "tokenizer": "x"},
            **{"controls": 3, "shards": shards, "margin": margin},
        }
    )
    inputs = {
        "answers": write_answers(folder / "answers", policies, COUNT),
        "reward": (InputFile(trained.final, ""),),
        "tokenizer": ranked["tokenizer"],
    }
    return {kind: files[0].path for kind, files in run_stage(config, inputs, folder / "run").items()}


@pytest.fixture(scope="module")
def outputs(ranked: World, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return judged(ranked, trained, tmp_path_factory.mktemp("judged"), shards=1)


def test_the_higher_reward_wins_and_a_policy_ties_with_itself(outputs: dict[str, Path]) -> None:
    found = read_judgement(outputs["judgement"])
    whole, same = (
        next(rate for rate in found.rates if (rate.policy, rate.control, rate.source) == (policy, control, ""))
        for policy, control in (("ppo", ""), ("sft", "same"))
    )
    assert (whole.wins + whole.losses, whole.unparsed) == (COUNT, 0)
    assert whole.scores is not None
    assert (whole.scores[0] > whole.scores[1]) == ((whole.rate or 0) > 0.5)
    assert (same.rate, same.ties, found.kind) == (0.5, 3, "reward")
    for verdict in read_verdicts(outputs["verdicts"]):
        one, other = verdict.scores or (0.0, 0.0)
        expected = "unparsed" if verdict.scores is None else "win" if one > other else "loss" if one < other else "tie"
        assert verdict.outcome == expected


def test_an_answer_that_is_too_long_to_score_is_counted_and_ranked_nowhere(outputs: dict[str, Path]) -> None:
    found = read_judgement(outputs["judgement"])
    assert found.unparsed == {"too_long": COUNT // 2}
    rankings = list(read_preferences(outputs["preferences"]))
    assert [len(each.responses) for each in rankings] == [2, 3] * (COUNT // 2)
    for each in rankings:
        assert len(each.ranks) == 2 or each.ranks[1] == each.ranks[2]  # equal texts are a tie


def test_shards_change_no_byte(ranked: World, trained: Trained, outputs: dict[str, Path], tmp_path: Path) -> None:
    parted = judged(ranked, trained, tmp_path, shards=4)
    assert {kind: path.read_bytes() for kind, path in parted.items()} == {
        kind: path.read_bytes() for kind, path in outputs.items()
    }


def test_rewards_within_the_margin_are_a_tie(ranked: World, trained: Trained, tmp_path: Path) -> None:
    found = read_judgement(judged(ranked, trained, tmp_path, shards=1, margin=1e6)["judgement"])
    assert {rate.rate for rate in found.rates if rate.rate is not None} == {0.5}
