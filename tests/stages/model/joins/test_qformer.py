"""The Q-Former beside transformers' Blip2QFormerModel."""

from __future__ import annotations

import torch
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from stages.model.joins.config import JoinConfig
from stages.model.joins.qformer import QFormerJoin

SHAPE = JoinConfig(kind="qformer", queries=5, num_layers=3, dim=24, num_heads=4, ffn_dim=40)
WIDTH = 16
NAMES = {
    "norm": "layernorm",
    "own.attention": "attention.attention",
    "own.out": "attention.output.dense",
    "own.norm": "attention.output.LayerNorm",
    "cross.attention": "crossattention.attention",
    "cross.out": "crossattention.output.dense",
    "cross.norm": "crossattention.output.LayerNorm",
    "feed_forward.inner": "intermediate_query.dense",
    "feed_forward.out": "output_query.dense",
    "feed_forward.norm": "output_query.LayerNorm",
}


def theirs_of(ours: str) -> str:
    _, mark, rest = ours.partition("layers.")
    number, _, inner = rest.partition(".")
    place, name = (f"encoder.layer.{number}.", inner) if mark else ("", ours)
    best = max((each for each in NAMES if name.startswith(each)), key=len)
    return place + NAMES[best] + name.removeprefix(best)


def reference() -> Blip2QFormerModel:
    return Blip2QFormerModel(
        Blip2QFormerConfig(
            hidden_size=SHAPE.dim,
            num_hidden_layers=SHAPE.num_layers,
            num_attention_heads=SHAPE.num_heads,
            intermediate_size=SHAPE.ffn_dim,
            encoder_hidden_size=WIDTH,
        )
    ).eval()


@torch.no_grad()
def test_its_queries_are_those_of_transformers() -> None:
    torch.manual_seed(0)
    theirs, ours = reference(), QFormerJoin(SHAPE, WIDTH, dim=32).eval()
    weights = {name: torch.randn(weight.shape) * 0.3 for name, weight in theirs.named_parameters()}
    theirs.load_state_dict(weights, strict=False)
    taken = {
        name: weights.pop(theirs_of(name)) for name in ours.state_dict() if not name.startswith(("out", "queries"))
    }
    assert not weights, "a weight of theirs has no place"
    queries = torch.randn(1, SHAPE.queries, SHAPE.dim)
    ours.load_state_dict(taken | {"queries": queries}, strict=False)
    features = torch.randn(2, 9, WIDTH)
    expected = theirs(query_embeds=queries.expand(2, -1, -1), encoder_hidden_states=features).last_hidden_state
    assert expected.shape == (2, SHAPE.queries, SHAPE.dim)
    assert (ours.asked(features) - expected).abs().max() < 1e-5
    assert torch.equal(ours(features), ours.out(ours.asked(features)))
