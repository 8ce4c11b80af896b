"""BLIP-2's Q-Former: a BERT whose tokens are learned queries that look at features (arXiv:2301.12597, section 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stages.model.joins.base import Attention, Join
from stages.model.joins.config import JoinConfig

EPS = 1e-12
"""BERT's (google-research/bert, modeling.py)."""


class PostNormAttention(nn.Module):
    """Attention, then the norm of its output and the input (post-LN)."""

    def __init__(self, config: JoinConfig, width: int) -> None:
        super().__init__()
        self.attention = Attention(config.dim, width, config.num_heads)
        self.out, self.norm = nn.Linear(config.dim, config.dim), nn.LayerNorm(config.dim, EPS)

    def forward(self, x_NTC: Tensor, seen_NSW: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the tokens after they have looked at what is seen: see Attention."""
        normed_NTC: Tensor = self.norm(x_NTC + self.out(self.attention(x_NTC, seen_NSW, visible)))
        return normed_NTC


class PostNormFeedForward(nn.Module):
    """BERT's feed-forward block, then the norm of its output and the input."""

    def __init__(self, config: JoinConfig) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(config.dim, config.ffn_dim), nn.Linear(config.ffn_dim, config.dim)
        self.norm = nn.LayerNorm(config.dim, EPS)

    def forward(self, x_NTC: Tensor) -> Tensor:
        """Return the tokens after the block."""
        normed_NTC: Tensor = self.norm(x_NTC + self.out(F.gelu(self.inner(x_NTC))))
        return normed_NTC


class QFormerLayer(nn.Module):
    """Queries attend to each other, in every second layer to the features, and pass a feed-forward block."""

    def __init__(self, config: JoinConfig, width: int, number: int) -> None:
        super().__init__()
        self.own = PostNormAttention(config, config.dim)
        self.cross = PostNormAttention(config, width) if number % 2 == 0 else None
        self.feed_forward = PostNormFeedForward(config)

    def forward(self, queries_NQC: Tensor, features_NPW: Tensor) -> Tensor:
        """Return the queries after the layer."""
        return self.looked(self.own(queries_NQC, queries_NQC), features_NPW)

    def looked(self, queries_NQC: Tensor, features_NPW: Tensor) -> Tensor:
        """Return the queries after what follows the attention to each other."""
        if self.cross is not None:
            queries_NQC = self.cross(queries_NQC, features_NPW)
        output_NQC: Tensor = self.feed_forward(queries_NQC)
        return output_NQC


class QFormer(nn.Module):
    """Queries and layers. The norm is that of embeddings, of queries and of text."""

    def __init__(self, config: JoinConfig, width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(1, config.queries, config.dim))
        self.norm = nn.LayerNorm(config.dim, EPS)
        self.layers = nn.ModuleList(QFormerLayer(config, width, number) for number in range(config.num_layers))

    @property
    def blocks(self) -> list[QFormerLayer]:
        """The layers by their type."""
        return [layer for layer in self.layers if isinstance(layer, QFormerLayer)]

    def asked(self, features_NPW: Tensor) -> Tensor:
        """Return the queries after all layers, [N, Q, C]."""
        return self.states(features_NPW)[-1]

    def states(self, features_NPW: Tensor) -> list[Tensor]:
        """Return the queries before each layer, and after the last one, each [N, Q, C]."""
        states = [self.norm(self.queries).expand(len(features_NPW), -1, -1)]
        for layer in self.layers:
            states.append(layer(states[-1], features_NPW))
        return states


class QFormerJoin(QFormer, Join):
    """A Q-Former and the matrix to the language model's width."""

    def __init__(self, config: JoinConfig, width: int, dim: int) -> None:
        super().__init__(config, width)
        self.out = nn.Linear(config.dim, dim)

    def forward(self, features_NPW: Tensor) -> Tensor:
        """Return the positions' embeddings, one of each query."""
        embedded_NQD: Tensor = self.out(self.asked(features_NPW))
        return embedded_NQD
