"""The phases of a round as pure functions: episodes come in, episodes with more columns come out.

    sample -> score -> old -> reference -> values -> rewards -> advantages -> policy and value updates -> statistics

This module has those between the models' forward passes and the updates. The formulas are those of
openai/lm-human-preferences (`train_policy.py`, arXiv:1909.08593) unless a function names another source. All numbers
are float64, and of the whole round: every rank computes the same from the same columns.

Shape suffixes: N = episodes of a round, T = positions of a row, K = samples of a prompt. Column t of a row belongs to
the token at t + 1, which position t predicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.formats.reinforcement.rollouts import Rollout

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def _nothing() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """A round's responses: each phase returns them with its columns filled. Columns are [N, T] or [N]."""

    tokens: NDArray[np.int64]
    """Prompt and response, padded on the right."""
    is_trained: Mask
    """Whether the token at t + 1 was sampled by the policy: not of the prompt, not inserted, not padding."""
    last: NDArray[np.int64]
    """Position of the response's last token: the reward model's score is read there."""
    is_ended: Mask
    """Whether the response was ended by its end token, by the recorded finish reason."""
    sampled: Floats
    """The sampler's log probabilities."""
    scores: Floats = field(default_factory=_nothing)
    old: Floats = field(default_factory=_nothing)
    """Log probabilities by the training forward, before the round's first update."""
    entropy: Floats = field(default_factory=_nothing)
    """Entropy of the policy's choice, in nats."""
    reference: Floats = field(default_factory=_nothing)
    """The reference's log probabilities."""
    values: Floats = field(default_factory=_nothing)
    """The value of the text up to position t."""
    rewards: Floats = field(default_factory=_nothing)
    advantages: Floats = field(default_factory=_nothing)
    returns: Floats = field(default_factory=_nothing)

    @property
    def kl(self) -> Floats:
        """Log ratio of policy to reference, summed over each sequence: the papers' unit."""
        sums: Floats = np.where(self.is_trained, self.old - self.reference, 0.0).sum(1)
        return sums


def episodes_of(rollouts: Sequence[Rollout], length: int) -> Episodes:
    """Return the episodes of rollouts, in rows of `length` tokens. The ids are those that were sampled."""
    shape = len(rollouts), length
    tokens_NT, sampled_NT = np.zeros(shape, np.int64), np.zeros(shape)
    is_trained_NT = np.zeros(shape, np.bool_)
    for row, rollout in enumerate(rollouts):
        start, end = len(rollout.context), len(rollout.context) + len(rollout.tokens)
        tokens_NT[row, :end] = (*rollout.context, *rollout.tokens)
        sampled_NT[row, start - 1 : end - 1] = rollout.logprobs
        is_trained_NT[row, start - 1 : end - 1] = True
        is_trained_NT[row, [start - 1 + place for place in rollout.inserted]] = False
    return Episodes(
        tokens=tokens_NT,
        is_trained=is_trained_NT,
        last=np.array([len(rollout.context) + len(rollout.tokens) - 1 for rollout in rollouts], np.int64),
        is_ended=np.array([rollout.finish == "eos" for rollout in rollouts], np.bool_),
        sampled=sampled_NT,
    )


def with_token_behind(episodes: Episodes, token: int) -> Episodes:
    """Return the episodes with one more token behind each response, which is then the last one."""
    tokens_NT, last_N = episodes.tokens.copy(), episodes.last + 1
    tokens_NT[np.arange(len(last_N)), last_N] = token
    return replace(episodes, tokens=tokens_NT, last=last_N)


def with_scores(episodes: Episodes, scores_N: Floats, missing_end: float | None = None) -> Episodes:
    """Return the episodes with scores; one without an end token has the score `missing_end`, None: its own."""
    own_N = np.asarray(scores_N, np.float64)
    return replace(episodes, scores=own_N if missing_end is None else np.where(episodes.is_ended, own_N, missing_end))


def with_rewards(episodes: Episodes, beta: float, *, whitens: bool = False) -> Episodes:
    """Return the episodes with rewards: -beta (log pi - log pi_ref) for each trained token, and the score on the last
    trained one. `whitens`: divided by their standard deviation, the mean kept.
    """
    mask_NT = episodes.is_trained
    rewards_NT = np.where(mask_NT, -beta * (episodes.old - episodes.reference), 0.0)
    rewards_NT[np.arange(len(mask_NT)), last_trained(mask_NT)] += episodes.scores * mask_NT.any(1)
    return replace(episodes, rewards=whitened(rewards_NT, mask_NT, shifts=False) if whitens else rewards_NT)


def last_trained(mask_NT: Mask) -> NDArray[np.intp]:
    """Return the place of each row's last trained token, by position; 0 for a row without one."""
    found: NDArray[np.intp] = mask_NT.shape[1] - 1 - np.argmax(mask_NT[:, ::-1], axis=1)
    return np.where(mask_NT.any(1), found, 0)


def with_advantages(episodes: Episodes, gamma: float, lam: float, *, whitens: bool = True) -> Episodes:
    """Return the episodes with advantages by GAE, and returns, which are not whitened."""
    mask_NT = episodes.is_trained
    advantages_NT = gae(episodes.rewards, episodes.values, mask_NT, gamma, lam)
    returns_NT = np.where(mask_NT, advantages_NT + episodes.values, 0.0)
    if whitens:
        advantages_NT = whitened(advantages_NT, mask_NT)
    return replace(episodes, advantages=advantages_NT, returns=returns_NT)


def gae(rewards_NT: Floats, values_NT: Floats, mask_NT: Mask, gamma: float, lam: float) -> Floats:
    """Return the generalised advantage estimates (arXiv:1506.02438, equation 16); 0 where a token is not trained.

    Tokens that are not trained do not exist for it: a trained token is followed by the next trained one, and the last
    one by a value of 0.
    """
    advantages_NT = np.zeros(rewards_NT.shape)
    value_N, advantage_N = np.zeros(len(rewards_NT)), np.zeros(len(rewards_NT))
    for place in reversed(range(rewards_NT.shape[1])):
        here_N = mask_NT[:, place]
        found_N = rewards_NT[:, place] + gamma * value_N - values_NT[:, place] + gamma * lam * advantage_N
        advantage_N = np.where(here_N, found_N, advantage_N)
        value_N = np.where(here_N, values_NT[:, place], value_N)
        advantages_NT[:, place] = np.where(here_N, found_N, 0.0)
    return advantages_NT


def whitened(values_NT: Floats, mask_NT: Mask, *, shifts: bool = True) -> Floats:
    """Return the values over their standard deviation, with mean 0, or with `shifts` false their own mean.

    The variance is the population's, of all trained tokens of the round (OpenAI's code; TRL and verl divide by one
    less). What is not trained becomes 0.
    """
    trained = values_NT[mask_NT]
    if not len(trained):
        return np.zeros_like(values_NT)
    mean, scale = trained.mean(), 1 / np.sqrt(trained.var() + 1e-8)
    return np.where(mask_NT, (values_NT - mean) * scale + (0.0 if shifts else mean), 0.0)


def with_group_advantages(
    episodes: Episodes, samples: int, method: Literal["group", "leave_one_out"], beta: float
) -> Episodes:
    """Return the episodes with one advantage for all tokens of a response, from the other responses to its prompt.

    Rows that follow each other, `samples` at a time, answer the same prompt. The reward of a response is its score less
    beta times its log ratio to the reference. `group`: in the group's standard deviations from its mean
    (arXiv:2402.03300, section 4.1). `leave_one_out`: less the mean of the others (arXiv:2402.14740, section 2.4).
    """
    if samples < 2:
        raise ValueError(f"{samples} sample a prompt: every advantage would be 0")
    mask_NT = episodes.is_trained
    rewards_NK = (episodes.scores - beta * episodes.kl).reshape(-1, samples)
    gap_NK = rewards_NK - rewards_NK.mean(1, keepdims=True)
    if method == "group":
        gap_NK = gap_NK / (rewards_NK.std(1, keepdims=True) + 1e-6)
    else:
        gap_NK = gap_NK * samples / (samples - 1)
    return replace(episodes, advantages=np.where(mask_NT, gap_NK.reshape(-1, 1), 0.0))


def next_beta(beta: float, kl: float, target: float, horizon: float, episodes: int) -> float:
    """Return the coefficient of the next round (arXiv:1909.08593, section 2.2): it grows with a KL above the target, by
    at most a fifth in `horizon` episodes. `kl` is the mean over sequences of the sum over each sequence.
    """
    return beta * (1 + float(np.clip(kl / target - 1, -0.2, 0.2)) * episodes / horizon)


def explained_variance(episodes: Episodes) -> float:
    """Return the share of the returns' variance that the values explain, over trained tokens; 0 without variance."""
    mask_NT = episodes.is_trained
    returns, values = episodes.returns[mask_NT], episodes.values[mask_NT]
    spread = float(returns.var()) if len(returns) else 0.0
    return 1 - float((returns - values).var()) / spread if spread > 0 else 0.0


def statistics(episodes: Episodes) -> dict[str, float]:
    """Return the round's numbers: each is a sum over trained tokens or episodes, divided by how many there are."""
    mask_NT = episodes.is_trained
    lengths_N = mask_NT.sum(1)
    tokens = max(1, int(lengths_N.sum()))
    ratios_NT = np.where(mask_NT, episodes.old - episodes.reference, 0.0)
    spread = episodes.scores.std() * lengths_N.std()
    gaps = (episodes.scores - episodes.scores.mean()) * (lengths_N - lengths_N.mean())
    found = {
        "score": float(episodes.scores.mean()),
        "score_std": float(episodes.scores.std()),
        "kl": float(episodes.kl.mean()),
        "kl_per_token": float(ratios_NT.sum() / tokens),
        "entropy": float(episodes.entropy[mask_NT].sum() / tokens),
        "length": float(lengths_N.mean()),
        "ended": float(episodes.is_ended.mean()),
        "score_length_correlation": float(gaps.mean() / spread) if spread > 0 else 0.0,
    }
    if episodes.returns.size:
        found["explained_variance"] = explained_variance(episodes)
        found["value"] = float(episodes.values[mask_NT].sum() / tokens)
    return found
