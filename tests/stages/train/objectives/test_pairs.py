"""Pairs of compared responses: golden numbers, and equality with pairs that are computed one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.train.data.comparisons import pairs_of
from stages.train.objectives.base import Batch
from stages.train.objectives.pairs import Pairs, ranking_losses, sums_of
from stages.train.objectives.ranking import last_scores

LENGTH = 16
GOLDEN = [2.0, 1.0, 0.5, -1.0]
"""Rewards of the responses of ranks 1 to 4."""


def batch_of(*rows: list[tuple[int, int, int]], lengths: int = 2, length: int = LENGTH) -> Batch:
    """Return a batch of rows with examples of equal lengths; each example is (prompt, comparison, rank)."""
    found = [pairs_of(np.array(row, dtype=np.int32)) for row in rows]
    parts = [[lengths] * len(row) + [length - lengths * len(row)] for row in rows]
    return {
        "tokens": torch.zeros(len(rows), length, dtype=torch.int64),
        "document_lengths": torch.tensor([size for part in parts for size in part if size]),
        "pairs": torch.cat([torch.from_numpy(each.places) for each in found]),
        "pair_weights": torch.cat([torch.from_numpy(each.weights) for each in found]),
        "num_pairs": torch.tensor([len(each.weights) for each in found]),
        "source": torch.arange(len(rows)),
    }


def loss_of(batch: Batch, scores: list[float]) -> tuple[float, torch.Tensor, dict[str, float]]:
    """Return the loss, its gradient by the scores, and the metrics, for the scores of all examples in order."""
    values = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    pairs = Pairs.of(batch)
    gaps = values[pairs.better] - values[pairs.worse]
    found = pairs.loss(ranking_losses(gaps), gaps, ["a", "b"])
    loss = found.total / found.count
    loss.backward()
    assert values.grad is not None
    return loss.item(), values.grad, {name: (pair[0] / pair[1]).item() for name, pair in found.metrics.items()}


def test_a_ranking_of_four_has_the_golden_loss_of_its_six_pairs_and_its_gradient() -> None:
    batch = batch_of([(0, 0, rank) for rank in (1, 2, 3, 4)])
    loss, gradient, metrics = loss_of(batch, [*GOLDEN, 0.0])
    gaps = torch.tensor([GOLDEN[one] - GOLDEN[other] for one in range(4) for other in range(one + 1, 4)])
    golden = [0.313262, 0.201413, 0.048587, 0.474077, 0.126928, 0.201413]
    assert ranking_losses(gaps).tolist() == pytest.approx(golden, abs=1e-6)
    assert loss == pytest.approx(0.227613, abs=1e-6)
    assert gradient.tolist() == pytest.approx([-0.083132, -0.037967, 0.062923, 0.058176, 0.0], abs=1e-6)
    assert metrics["accuracy"] == 1.0


@pytest.mark.parametrize("apart", [False, True], ids=["one row", "two rows"])
def test_prompts_weigh_the_same_whatever_their_number_of_pairs(apart: bool) -> None:
    one, other = [(0, 0, rank) for rank in (1, 2, 3, 4)], [(7, 0, 1), (7, 0, 2)]
    batch = batch_of(one, other) if apart else batch_of([*one, *other])
    scores = [*GOLDEN, 0.0, 1.0, 0.0, 0.0] if apart else [*GOLDEN, 1.0, 0.0, 0.0]
    assert loss_of(batch, scores)[0] == pytest.approx(0.270438, abs=1e-6)


def test_ties_are_dropped() -> None:
    found = pairs_of(np.array([(0, 0, rank) for rank in (1, 2, 2, 3)], dtype=np.int32))
    assert found.places.tolist() == [[0, 1], [0, 2], [0, 3], [1, 3], [2, 3]]
    assert found.weights.tolist() == pytest.approx([0.2] * 5)


def test_responses_of_other_prompts_and_other_comparisons_are_not_compared() -> None:
    rows = [(0, 0, 1), (0, 0, 2), (0, 1, 1), (0, 1, 2), (1, 0, 1), (1, 0, 2)]
    found = pairs_of(np.array(rows, dtype=np.int32))
    assert found.places.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.weights.tolist() == [0.5, 0.5, 1.0]


def test_a_hopeless_pair_has_the_loss_of_its_gap_and_not_infinity() -> None:
    gap = torch.tensor([-200.0], requires_grad=True)
    loss = ranking_losses(gap)
    loss.backward()
    assert loss.item() == 200.0
    assert gap.grad is not None
    assert gap.grad.item() == -1.0
    assert torch.sigmoid(torch.tensor(1.0)).item() == pytest.approx(0.731059, abs=1e-6)


def test_all_pairs_together_equal_pairs_one_by_one() -> None:
    draw = torch.Generator().manual_seed(5)
    ranks = torch.randint(1, 4, (7,), generator=draw).tolist()
    scores = torch.randn(7, generator=draw).tolist()
    naive = [
        ranking_losses(torch.tensor(scores[one] - scores[other], dtype=torch.float64)).item()
        for one in range(7)
        for other in range(7)
        if ranks[one] < ranks[other]
    ]
    loss, _, _ = loss_of(batch_of([(0, 0, rank) for rank in ranks]), [*scores, 0.0])
    assert loss == pytest.approx(sum(naive) / len(naive), abs=1e-6)


def test_the_order_of_the_responses_changes_nothing() -> None:
    order = [2, 0, 3, 1]
    batch = batch_of([(0, 0, place + 1) for place in order])
    assert loss_of(batch, [*(GOLDEN[place] for place in order), 0.0])[0] == pytest.approx(0.227613, abs=1e-6)


def test_each_source_has_an_accuracy_of_its_own_and_equal_scores_are_half_right() -> None:
    batch = batch_of([(0, 0, 1), (0, 0, 2)], [(1, 0, 1), (1, 0, 2)])
    _, _, metrics = loss_of(batch, [1.0, 0.0, 9.0, 3.0, 3.0, 9.0])
    assert metrics == {"accuracy": 0.75, "margin": 0.5, "accuracy/a": 1.0, "accuracy/b": 0.5}


def test_scores_are_read_at_the_last_token_of_each_example_and_sums_taken_over_its_tokens() -> None:
    batch = batch_of([(0, 0, 1), (0, 0, 2)], [(1, 0, 1), (1, 0, 2), (1, 0, 3)], length=6)
    scores_BT1 = torch.arange(12.0).view(2, 6, 1)
    assert last_scores(batch, scores_BT1).tolist() == [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]
    assert sums_of(batch, scores_BT1[..., 0]).tolist() == [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]
    assert Pairs.of(batch).better.tolist() == [0, 3, 3, 4]
