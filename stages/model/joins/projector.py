"""LLaVA's joins, which take every feature for itself: a matrix, or two with GELU."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stages.model.joins.base import Join


class LinearJoin(Join):
    """One matrix with a bias (arXiv:2304.08485, section 4.1)."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dim)

    def forward(self, features_NPW: Tensor) -> Tensor:
        """Return the positions' embeddings, one of each feature."""
        embedded_NPD: Tensor = self.linear(features_NPW)
        return embedded_NPD


class MlpJoin(Join):
    """Two matrices with biases, GELU by the error function between them (arXiv:2310.03744, section 3.3)."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(width, dim), nn.Linear(dim, dim)

    def forward(self, features_NPW: Tensor) -> Tensor:
        """Return the positions' embeddings, one of each feature."""
        embedded_NPD: Tensor = self.linear_2(F.gelu(self.linear_1(features_NPW)))
        return embedded_NPD
