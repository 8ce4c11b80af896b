"""Features among embeddings: rows at their places, and counts that must agree."""

from __future__ import annotations

import pytest
import torch

from stages.model.spliced import anchored, spliced


def test_rows_take_their_places_and_nothing_else_changes() -> None:
    embedded_TBD, rows_NQD = torch.randn(5, 2, 3), torch.randn(2, 2, 3)
    found = spliced(embedded_TBD, torch.tensor([2, 4, 1, 3]), rows_NQD)
    assert torch.equal(found.flatten(0, 1)[[2, 4, 1, 3]], rows_NQD.flatten(0, 1))
    assert torch.equal(found.flatten(0, 1)[[0, 5, 6, 7, 8, 9]], embedded_TBD.flatten(0, 1)[[0, 5, 6, 7, 8, 9]])


@pytest.mark.parametrize("squares", [1, 3])
def test_more_or_fewer_features_than_places_is_an_error_with_both_counts(squares: int) -> None:
    with pytest.raises(ValueError, match=f"4 positions are planned for features, and these take {2 * squares}"):
        spliced(torch.zeros(5, 2, 3), torch.arange(4), torch.zeros(squares, 2, 3))


def test_an_anchor_changes_no_number_and_reaches_trained_weights_alone() -> None:
    trained, frozen = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).requires_grad_(False)
    embedded = torch.randn(2, 1, 3)
    found = anchored(embedded, (trained, frozen))
    assert torch.equal(found, embedded)
    found.sum().backward()
    assert trained.weight.grad is not None
    assert not trained.weight.grad.any()
    assert anchored(embedded, (frozen,)) is embedded
