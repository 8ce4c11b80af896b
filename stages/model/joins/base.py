"""The interface of a join, and the attention of those that have queries.

Every tensor parallel rank holds a join whole: it is small beside encoder and language model, and each rank needs all
of its output. Its input is the same on all of them, so its gradients are too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stages.model.joins.rows import arranged
from stages.pictures.plan import Layout

# Shape suffixes: N = squares, P = features of a square, W = width of a feature, Q = positions of a square, S = those
# of all pictures, D = width of the language model. In attention: T = tokens that attend, S = those they attend to,
# H = heads, C = width of a query.


class Join(nn.Module, ABC):
    """Features become positions: JoinConfig.positions of them."""

    def __init__(self) -> None:
        super().__init__()
        self.newline: nn.Parameter | None = None
        """Embedding [1, D] that ends each row of a picture of any resolution; None: pictures are squares."""

    def positions(self, features_NPW: Tensor, layouts: Sequence[Layout]) -> Tensor:
        """Return the embeddings [S, D] of all positions of pictures; `layouts` are those of any resolution."""
        rows_NQD = self(features_NPW)
        return rows_NQD.flatten(0, 1) if self.newline is None else arranged(rows_NQD, layouts, self.newline)

    @abstractmethod
    def forward(self, features_NPW: Tensor) -> Tensor:
        """Return the positions' embeddings [N, Q, D], in the order of the features or of the queries."""


class Attention(nn.Module):
    """Queries, keys and values with biases. The projection back is the caller's."""

    def __init__(self, dim: int, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(width, dim), nn.Linear(width, dim)

    def forward(self, x_NTC: Tensor, seen_NSW: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the mixed values [N, T, C]; `visible` is a bool mask that broadcasts to [N, H, T, S]."""
        query, key, value = (
            x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for x in (self.query(x_NTC), self.key(seen_NSW), self.value(seen_NSW))
        )
        mixed_NHTC = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return mixed_NHTC.transpose(1, 2).flatten(2)
