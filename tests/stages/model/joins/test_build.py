"""Every kind of join: its parameters, its positions, and gradients in all of its weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stages.model.joins.build import build_join
from stages.model.joins.config import JoinConfig
from stages.shared.errors import ConfigError

SMALL = {"queries": 5, "num_layers": 3, "dim": 24, "num_heads": 4, "ffn_dim": 40}
KINDS = {"linear": {}, "mlp": {}, "qformer": SMALL, "abstractor": SMALL}


@pytest.mark.parametrize(("kind", "shape"), KINDS.items(), ids=KINDS)
def test_positions_and_parameters_are_the_planned_ones(kind: str, shape: dict[str, Any]) -> None:
    torch.manual_seed(0)
    config = JoinConfig(kind=kind, **shape)
    join = build_join(config, width=24, dim=32)
    for weight in join.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    features = torch.randn(2, 9, 24, requires_grad=True)
    found = join(features)
    assert found.shape == (2, config.positions(9), 32)
    assert sum(weight.numel() for weight in join.parameters()) == config.num_parameters(24, 32)
    found.square().sum().backward()
    assert features.grad is not None
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in join.parameters())


def test_mlp_has_gelu_by_the_error_function() -> None:
    join = build_join(JoinConfig(kind="mlp"), width=1, dim=1)
    with torch.no_grad():
        for name, weight in join.named_parameters():
            weight.fill_(float(name.endswith("weight")))
    assert join(torch.tensor([[[-2.0]]])).item() == pytest.approx(-0.045500, abs=1e-6)


def test_features_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"join.dim = 1024"):
        build_join(JoinConfig(kind="abstractor"), width=24, dim=32)
