"""The phases' formulas against worked numbers, cross-checked with OpenRLHF's and verl's own functions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.align.ppo.phases import (
    Episodes,
    episodes_of,
    explained_variance,
    gae,
    last_trained,
    next_beta,
    statistics,
    whitened,
    with_advantages,
    with_group_advantages,
    with_rewards,
    with_scores,
    with_token_behind,
)
from stages.formats.reinforcement.rollouts import Rollout


def rollout(**changes: Any) -> Rollout:
    tokens = changes.get("tokens", (5, 6, 2))
    given = {"prompt": "a", "sample": 0, "finish": "eos", "policy": "p", "text": "", "context": (1, 9, 9)}
    return Rollout(**{**given, "tokens": tokens, "logprobs": (-1.0,) * len(tokens), **changes})


def row(mask: str, **columns: list[float]) -> Episodes:
    """One episode whose columns are trained where the mask says."""
    is_trained = np.array([[letter == "1" for letter in mask]])
    made = Episodes(
        tokens=np.zeros(is_trained.shape, np.int64),
        is_trained=is_trained,
        last=np.array([len(mask)]),
        is_ended=np.array([True]),
        sampled=np.zeros(is_trained.shape),
    )
    return replace(made, **{name: np.array([values]) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("gamma", "lam", "advantages"),
    [
        (1.0, 0.95, [0.52675, 0.765, 0.7]),
        (1.0, 1.0, [0.6, 0.8, 0.7]),
        (1.0, 0.0, [-0.2, 0.1, 0.7]),
        (0.9, 0.8, [0.17328, 0.574, 0.7]),
    ],
)
def test_advantages_are_those_of_a_worked_case(gamma: float, lam: float, advantages: list[float]) -> None:
    episode = row("111", rewards=[-0.1, 0.2, 1.0], values=[0.5, 0.4, 0.3])
    found = with_advantages(episode, gamma, lam, whitens=False)
    assert found.advantages[0] == pytest.approx(advantages, abs=1e-12)
    assert found.returns[0] == pytest.approx(np.add(advantages, [0.5, 0.4, 0.3]), abs=1e-12)


def test_advantages_step_over_tokens_of_a_tool_and_over_padding() -> None:
    episode = row("110011", rewards=[0, 0, 0, 0, 0, 1], values=[0.2, 0.3, 9, 9, 0.5, 0.6])
    found = with_advantages(episode, 1.0, 0.95, whitens=False)
    trained = episode.is_trained
    assert found.advantages[trained] == pytest.approx([0.7232, 0.656, 0.48, 0.4], abs=1e-12)
    assert found.returns[trained] == pytest.approx([0.9232, 0.956, 0.98, 1.0], abs=1e-12)
    assert not found.advantages[~trained].any()
    padded = gae(np.array([[0.0, 1, 0]]), np.array([[0.0, 0, 100]]), np.array([[True, True, False]]), 1.0, 0.95)
    assert padded[0, :2] == pytest.approx([0.95, 1.0], abs=1e-12)


@pytest.mark.parametrize(("beta", "rewards"), [(0.02, [-0.004, 0.006, 1.5]), (0.0, [0.0, 0.0, 1.5])])
def test_rewards_are_the_kl_of_each_token_and_the_score_on_the_last(beta: float, rewards: list[float]) -> None:
    episode = row("111", old=[-1, -2, -0.5], reference=[-1.2, -1.7, -0.5])
    found = with_rewards(replace(episode, scores=np.array([1.5])), beta)
    assert found.rewards[0] == pytest.approx(rewards, abs=1e-12)


def test_the_score_sits_on_the_end_token_by_position_also_where_the_padding_is_that_token() -> None:
    end = 2
    episodes = episodes_of([rollout(context=(end, 9), tokens=(5, 6, end))], length=7)
    zero = np.zeros_like(episodes.sampled)
    episodes = replace(episodes, tokens=np.where(episodes.tokens == 0, end, episodes.tokens))
    found = with_rewards(replace(episodes, old=zero, reference=zero, scores=np.array([1.5])), 0.02)
    assert found.rewards[0].tolist() == [0, 0, 0, 1.5, 0, 0, 0]
    assert episodes.last.tolist() == [4]
    assert last_trained(episodes.is_trained).tolist() == [3]


def test_a_token_behind_the_response_is_for_the_judge_alone() -> None:
    episodes = episodes_of([rollout(tokens=(5, 2)), rollout(tokens=(5, 6, 2))], length=7)
    judged = with_token_behind(episodes, 99)
    assert judged.tokens[:, 5:].tolist() == [[99, 0], [2, 99]]
    assert judged.last.tolist() == [5, 6]
    assert not (episodes.tokens == 99).any()
    assert (judged.is_trained == episodes.is_trained).all()


def test_a_missing_end_is_known_by_the_finish_reason_and_not_by_a_token() -> None:
    end = 2
    ended, cut, with_end_in_the_prompt = (
        rollout(tokens=(5, end)),
        rollout(tokens=(5, 6), finish="length"),
        rollout(context=(1, end, 9), tokens=(5, end, 6), finish="length"),
    )
    episodes = episodes_of([ended, cut, with_end_in_the_prompt], length=8)
    assert with_scores(episodes, np.array([1.0, 2.0, 3.0]), -1.0).scores.tolist() == [1.0, -1.0, -1.0]
    assert with_scores(episodes, np.array([1.0, 2.0, 3.0])).scores.tolist() == [1.0, 2.0, 3.0]


def test_episodes_hold_the_sampled_ids_and_leave_out_inserted_ones() -> None:
    sampled = rollout(tokens=(5, 7, 7, 2), logprobs=(-1.0, 0.0, 0.0, -2.0), inserted=(1, 2))
    found = episodes_of([sampled], length=9)
    assert found.tokens[0].tolist() == [1, 9, 9, 5, 7, 7, 2, 0, 0]
    assert found.is_trained[0].tolist() == [False, False, True, False, False, True, False, False, False]
    assert found.sampled[0, [2, 5]].tolist() == [-1.0, -2.0]


@pytest.mark.parametrize("padding", [100.0, math.nan, -1e9])
def test_whitening_takes_the_populations_variance_of_what_is_trained(padding: float) -> None:
    values, mask = np.array([[1.0, 2, 3, 4, padding]]), np.array([[True] * 4 + [False]])
    assert whitened(values, mask)[0] == pytest.approx([-1.341641, -0.447214, 0.447214, 1.341641, 0], abs=1e-6)
    kept = whitened(values, mask, shifts=False)[0]
    assert kept == pytest.approx([1.158359, 2.052786, 2.947214, 3.841641, 0], abs=1e-6)
    two = np.array([[1.0, 2, padding], [3.0, 4, padding]]), np.array([[True, True, False]] * 2)
    assert whitened(*two)[:, :2].ravel() == pytest.approx(whitened(values, mask)[0, :4], abs=1e-12)


@pytest.mark.parametrize(("kl", "beta"), [(12, 0.201024), (6.6, 0.200512), (6, 0.2), (3, 0.198976)])
def test_the_coefficient_follows_the_kl_of_a_sequence(kl: float, beta: float) -> None:
    assert next_beta(0.2, kl, 6.0, 10_000, 256) == pytest.approx(beta, abs=1e-9)


def test_the_kl_is_summed_over_a_sequence_and_averaged_over_sequences() -> None:
    one = row("1110", old=[-1, -1, -1, 50], reference=[-2, -2, -2, -50])
    assert one.kl.tolist() == [3.0]


def test_the_responses_to_a_prompt_are_compared_with_each_other() -> None:
    pair = [row("11", old=[0, 0], reference=[0, 0], entropy=[0, 0]) for _ in range(4)]
    four = replace(
        pair[0],
        is_trained=np.ones((4, 2), bool),
        old=np.zeros((4, 2)),
        reference=np.zeros((4, 2)),
        scores=np.array([1.0, 3.0, 7.0, 7.0]),
    )
    grouped = with_group_advantages(four, 2, "group", 0.1).advantages
    assert grouped[:, 0] == pytest.approx([-1, 1, 0, 0], abs=1e-5)
    assert (grouped[:, 0] == grouped[:, 1]).all()
    others = with_group_advantages(four, 4, "leave_one_out", 0.1).advantages[:, 0]
    assert others == pytest.approx([1 - 17 / 3, 3 - 5, 7 - 11 / 3, 7 - 11 / 3])
    with pytest.raises(ValueError, match="every advantage would be 0"):
        with_group_advantages(four, 1, "group", 0.1)


def test_statistics_are_sums_over_trained_tokens_over_their_count() -> None:
    quarter = math.log(4)
    padded = row(
        "11100000",
        old=[-1.0] * 3 + [0.0] * 5,
        reference=[-1.5] * 3 + [9.0] * 5,
        entropy=[quarter] * 3 + [0.0] * 5,
        values=[0.5, 0.4, 0.3] + [7.0] * 5,
    )
    found = with_advantages(with_rewards(replace(padded, scores=np.array([2.0])), 0.0), 1.0, 0.95)
    numbers = statistics(found)
    assert numbers["entropy"] == pytest.approx(quarter)
    assert 3 * numbers["entropy"] == pytest.approx(4.158883, abs=1e-6)
    assert numbers["kl"] == pytest.approx(1.5)
    assert numbers["kl_per_token"] == pytest.approx(0.5)
    assert numbers["length"] == 3
    assert numbers["value"] == pytest.approx(0.4)


def test_values_that_are_the_returns_explain_all_of_their_variance() -> None:
    episode = row("111", returns=[1.0, 2, 3], values=[1.0, 2, 3])
    assert explained_variance(episode) == 1.0
    assert explained_variance(row("111", returns=[1.0, 2, 3], values=[2.0, 2, 2])) == pytest.approx(0.0)
    assert explained_variance(row("111", returns=[1.0, 1, 1], values=[2.0, 2, 2])) == 0.0
