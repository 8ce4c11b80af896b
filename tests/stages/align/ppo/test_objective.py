"""The step's losses as the loop sums them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from stages.align.ppo.objective import EPISODE, POLICY, VALUE, LearnFromScores
from stages.align.ppo.reading import READ
from stages.model import parallel
from stages.model.checkpoint.load import join_group
from stages.train.objectives.base import Role
from tests.stages.align.ppo.world import settings

CONFIG = settings(ptx={"batch": 4}, tokens="x")


@pytest.fixture(scope="module")
def objective() -> Iterator[LearnFromScores]:
    join_group()
    scorer = CONFIG.model.model_copy(update={"head": "scalar"})
    yield LearnFromScores(CONFIG, {POLICY: Role(config=CONFIG.model), VALUE: Role(config=scorer)}, 300, shift=0.5)
    parallel.stop()


def batch(is_read: list[bool], **columns: Any) -> dict[str, torch.Tensor]:
    found = {name: torch.zeros(1, 4) for name in (*EPISODE, "loss_mask")}
    whole = {name: torch.zeros(1, 4, dtype=torch.int64) for name in ("tokens", "labels", "position_ids")}
    given = {name: torch.tensor([values]) for name, values in columns.items()}
    return {**whole, **found, **given, READ: torch.tensor(is_read)}


def model_of(output_BTV: torch.Tensor) -> Any:
    """Return a model with this output, of scored tokens alone."""
    return lambda _tokens, _positions, documents: output_BTV[:, documents.scored]


def test_the_policys_loss_is_a_sum_over_response_tokens_with_the_text_beside_it(objective: LearnFromScores) -> None:
    given = batch(
        [True, True, True, False],
        old=[0.0, -5.0, -6.0, 0.0],
        advantages=[9.0, 1.0, -1.0, 9.0],
        loss_mask=[0.0, 1.0, 1.0, 0.0],
        ptx=[2.0, 0.0, 0.0, 0.0],
    )
    logits, loss_of = objective.forward(POLICY, model_of(torch.zeros(1, 4, 384)), given)
    assert logits.shape == (1, 3, 384)
    found = loss_of(logits)
    surprise = torch.log(torch.tensor(305.0))  # 300 pieces and 5 control tokens: padded rows do not count
    ratios = torch.exp(-surprise - torch.tensor([-5.0, -6.0]))
    wanted = -ratios[0] + torch.maximum(ratios[1], torch.tensor(0.8)).clamp_max(ratios[1].clamp_min(0.8))
    assert ratios[0] < 1 < ratios[1]
    assert found.total.item() == pytest.approx((wanted + 2 * surprise).item(), rel=1e-5)
    assert found.count.item() == 2
    assert found.metrics["ptx_loss"].tolist() == pytest.approx([surprise.item(), 1.0])
    assert found.metrics["ratio"].tolist() == pytest.approx([ratios.sum().item(), 2.0], rel=1e-5)


def test_values_and_scores_are_less_the_shift(objective: LearnFromScores) -> None:
    model = model_of(torch.tensor([[[1.5], [0.5], [9.0], [8.0]]]))
    mask = [True, True, False, True]
    given = batch(mask, values=[1.0, 0.0, 0.0, 0.0], returns=[1.0, 1.0, 0.0, 0.0], loss_mask=[1.0, 1.0, 0.0, 0.0])
    output, loss_of = objective.forward(VALUE, model, given)
    found = loss_of(output)
    assert (found.total.item(), found.count.item()) == (0.5, 2)
    output, columns_of = objective.annotate("reward", model, given)
    assert columns_of(output)["scores"].tolist() == [[1.0, 0.0, 0.0, 7.5]]
