"""mPLUG-Owl's visual abstractor: learned queries that look at themselves and the features (arXiv:2304.14178, section
3.1; X-PLUG/mPLUG-Owl, modeling_mplug_owl.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stages.model.joins.base import Attention, Join
from stages.model.joins.config import JoinConfig

_INNER_EPS = 1e-6
"""Of the norm within the feed-forward block; the others have torch's default."""


class GatedFeedForward(nn.Module):
    """SiLU(w1 x) * w3 x, normed, and projected back."""

    def __init__(self, config: JoinConfig) -> None:
        super().__init__()
        self.w1, self.w3 = nn.Linear(config.dim, config.ffn_dim), nn.Linear(config.dim, config.ffn_dim)
        self.norm = nn.LayerNorm(config.ffn_dim, _INNER_EPS)
        self.w2 = nn.Linear(config.ffn_dim, config.dim)

    def forward(self, x_NQC: Tensor) -> Tensor:
        """Return the block's output."""
        output_NQC: Tensor = self.w2(self.norm(F.silu(self.w1(x_NQC)) * self.w3(x_NQC)))
        return output_NQC


class AbstractorLayer(nn.Module):
    """Attention of the queries over queries and features, and a feed-forward block."""

    def __init__(self, config: JoinConfig) -> None:
        super().__init__()
        self.norm_queries, self.norm_features = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.attention = Attention(config.dim, config.dim, config.num_heads)
        self.out = nn.Linear(config.dim, config.dim)
        self.norm = nn.LayerNorm(config.dim)
        self.feed_forward = GatedFeedForward(config)

    def forward(self, queries_NQC: Tensor, features_NPC: Tensor) -> Tensor:
        """Return the queries after the layer. The residual starts from the normed queries, as in the original."""
        queries_NQC = self.norm_queries(queries_NQC)
        seen_NSC = torch.cat([queries_NQC, self.norm_features(features_NPC)], dim=1)
        queries_NQC = queries_NQC + self.out(self.attention(queries_NQC, seen_NSC))
        output_NQC: Tensor = queries_NQC + self.feed_forward(self.norm(queries_NQC))
        return output_NQC


class AbstractorJoin(Join):
    """Queries, layers, the matrix to the language model's width, and a learned end behind the queries."""

    def __init__(self, config: JoinConfig, dim: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(1, config.queries, config.dim))
        self.layers = nn.ModuleList(AbstractorLayer(config) for _ in range(config.num_layers))
        self.out = nn.Linear(config.dim, dim)
        self.end = nn.Parameter(torch.empty(1, 1, dim))

    def forward(self, features_NPW: Tensor) -> Tensor:
        """Return the positions' embeddings: one of each query, and the end."""
        queries_NQC = self.queries.expand(len(features_NPW), -1, -1)
        for layer in self.layers:
            queries_NQC = layer(queries_NQC, features_NPW)
        return torch.cat([self.out(queries_NQC), self.end.expand(len(queries_NQC), -1, -1)], dim=1)
