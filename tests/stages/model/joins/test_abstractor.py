"""mPLUG-Owl's abstractor beside its formulas written out: the residual starts from the normed queries."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from stages.model.joins.abstractor import AbstractorJoin, AbstractorLayer
from stages.model.joins.config import JoinConfig

SHAPE = JoinConfig(kind="abstractor", queries=5, num_layers=2, dim=24, num_heads=4, ffn_dim=40)


def written_out(layer: AbstractorLayer, queries: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    queries = layer.norm_queries(queries)
    seen = torch.cat([queries, layer.norm_features(features)], dim=1)
    own = layer.attention
    heads = [x.view(*x.shape[:2], 4, 6).transpose(1, 2) for x in (own.query(queries), own.key(seen), own.value(seen))]
    scores = heads[0] @ heads[1].transpose(2, 3) / 6**0.5
    mixed = (scores.softmax(-1) @ heads[2]).transpose(1, 2).flatten(2)
    queries = queries + layer.out(mixed)
    block, inner = layer.feed_forward, layer.norm(queries)
    return queries + block.w2(F.layer_norm(F.silu(block.w1(inner)) * block.w3(inner), (40,), *_of(block.norm), 1e-6))


def _of(norm: torch.nn.LayerNorm) -> tuple[torch.Tensor, torch.Tensor]:
    return norm.weight, norm.bias


@torch.no_grad()
def test_positions_are_its_queries_and_a_learned_end() -> None:
    torch.manual_seed(0)
    join = AbstractorJoin(SHAPE, dim=32)
    for weight in join.parameters():
        weight.copy_(torch.randn(weight.shape) * 0.5)
    features = torch.randn(3, 9, 24)
    queries = join.queries.expand(3, -1, -1)
    for layer in join.layers:
        queries = written_out(layer, queries, features)
    found = join(features)
    assert found.shape == (3, 6, 32)
    assert (found[:, :5] - join.out(queries)).abs().max() < 1e-4
    assert torch.equal(found[:, 5], join.end[0].expand(3, -1))
