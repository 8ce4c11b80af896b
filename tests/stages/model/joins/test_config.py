"""A join's settings: published counts, positions, and what is refused."""

from __future__ import annotations

import pytest

from stages.model.joins.config import JoinConfig
from stages.shared.errors import ConfigError

PUBLISHED = [
    ("linear", 1024, 4096, 4_198_400),
    ("linear", 768, 4096, 3_149_824),
    ("linear", 768, 5120, 3_937_280),
    ("mlp", 1024, 4096, 20_979_712),
    ("mlp", 1024, 5120, 31_467_520),
    ("abstractor", 1024, 4096, 105_097_216),
    # HF's Q-Former, its 32 queries of 768, and MiniGPT-4's matrix
    ("qformer", 1408, 4096, 105_137_664 + 24_576 + 3_149_824),
    ("qformer", 1024, 4096, 101_598_720 + 24_576 + 3_149_824),
]


@pytest.mark.parametrize(("kind", "width", "dim", "parameters"), PUBLISHED)
def test_a_join_has_its_published_parameters(kind: str, width: int, dim: int, parameters: int) -> None:
    assert JoinConfig(kind=kind).num_parameters(width, dim) == parameters


def test_queries_decide_the_positions_where_there_are_some() -> None:
    positions = {kind: JoinConfig(kind=kind).positions(576) for kind in ("linear", "mlp", "qformer", "abstractor")}
    assert positions == {"linear": 576, "mlp": 576, "qformer": 32, "abstractor": 65}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "mlp", "queries": 4}, r"join.queries = 4: must be absent with kind mlp"),
        ({"kind": "qformer", "queries": 0}, r"join.queries = 0: must be at least 1"),
        ({"kind": "qformer", "dim": 100}, r"join.dim = 100: must be a multiple of num_heads \(12\) .*for example 96"),
    ],
)
def test_what_cannot_be_built_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        JoinConfig.model_validate(wrong)


def test_an_abstractor_is_as_wide_as_the_features() -> None:
    with pytest.raises(ConfigError, match=r"join.dim = 1024: must be the encoder's width \(1152\)"):
        JoinConfig(kind="abstractor").require_width(1152)
