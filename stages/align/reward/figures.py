"""Numbers about a reward model from the scores of responses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.formats.chat.reward_reports import Bin, Share
from stages.train.data.comparisons import pairs_of

# Shape suffixes: N = responses, P = pairs.

BINS = 10
"""Rows of the reliability table, from probability 1/2 to 1."""


@dataclass(frozen=True)
class Scored:
    """The responses of one row with their scores, each array [N]."""

    ranks: NDArray[np.int32]
    """Prompt, comparison and rank, [N, 3]."""
    lengths: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs of responses, each array [P]; gaps are those of the better response minus the worse one."""

    gaps: NDArray[np.float64]
    lengths: NDArray[np.float64]
    """Differences of the lengths in tokens."""
    distances: NDArray[np.int64]
    """Differences of the ranks."""

    @classmethod
    def of(cls, rows: Sequence[Scored]) -> ScoredPairs:
        """Return the pairs of rows."""
        empty = np.zeros(0)
        gaps, lengths, distances = [empty], [empty], [empty.astype(np.int64)]
        for row in rows:
            better, worse = pairs_of(row.ranks).places.T
            gaps.append(row.scores[better] - row.scores[worse])
            lengths.append((row.lengths[better] - row.lengths[worse]).astype(np.float64))
            distances.append((row.ranks[worse, 2] - row.ranks[better, 2]).astype(np.int64))
        return cls(np.concatenate(gaps), np.concatenate(lengths), np.concatenate(distances))


def share(gaps_P: NDArray[np.float64]) -> Share:
    """Return how many gaps are above 0; a gap of 0 counts half."""
    right = float((gaps_P > 0).sum() + 0.5 * (gaps_P == 0).sum())
    return Share(pairs=len(gaps_P), accuracy=right / len(gaps_P) if len(gaps_P) else 0.0)


def by_distance(pairs: ScoredPairs) -> Mapping[str, Share]:
    """Return the accuracy by the difference of the ranks."""
    return {str(each): share(pairs.gaps[pairs.distances == each]) for each in np.unique(pairs.distances)}


def reliability(gaps_P: NDArray[np.float64]) -> list[Bin]:
    """Return how often the response with the higher score is the better one, by the probability that it is.

    The probability is sigmoid(|gap|) (arXiv:2204.05862, section 3.3): between 1/2 and 1. Empty bins are left out.
    """
    probability_P = 1 / (1 + np.exp(-np.abs(gaps_P)))
    edges = np.linspace(0.5, 1.0, BINS + 1)
    number_P = np.clip(np.searchsorted(edges, probability_P, side="right") - 1, 0, BINS - 1)
    return [
        Bin(
            low=round(float(edges[number]), 2),
            high=round(float(edges[number + 1]), 2),
            pairs=int(chosen.sum()),
            predicted=float(probability_P[chosen].mean()),
            accuracy=share(gaps_P[chosen]).accuracy,
        )
        for number in range(BINS)
        if (chosen := number_P == number).any()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error of a reliability table; 0 without pairs."""
    pairs = sum(each.pairs for each in bins)
    return sum(each.pairs * abs(each.predicted - each.accuracy) for each in bins) / pairs if pairs else 0.0


def length_correlation(rows: Sequence[Scored]) -> float:
    """Return Pearson's correlation of score and length of responses, each less its prompt's mean; 0 if one is constant.

    Prompts of unequal length would hide that a model likes long answers.
    """
    scores, lengths = [np.zeros(0)], [np.zeros(0)]
    for row in rows:
        for prompt in np.unique(row.ranks[:, 0]):
            chosen = row.ranks[:, 0] == prompt
            scores.append(row.scores[chosen] - row.scores[chosen].mean())
            lengths.append(row.lengths[chosen] - row.lengths[chosen].mean())
    one, other = np.concatenate(scores), np.concatenate(lengths)
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / size if size else 0.0
