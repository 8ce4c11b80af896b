"""GLM's two-dimensional positions and its mask (arXiv:2103.10360, sections 2.1 and 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Shape suffixes: B = sequences, T = tokens, 2 = the two kinds of position.


class BlockPositions(nn.Module):
    """Two learned tables, added: where a token stands in part A, and where it stands in its own span.

    Takes the place of Megatron's single position table. Follows GLM (arXiv:2103.10360, section 2.2); GLM-130B
    (arXiv:2210.02414, section 2.1) rotates by one position instead.
    """

    def __init__(self, num_positions: int, dim: int) -> None:
        super().__init__()
        self.in_text = nn.Embedding(num_positions, dim)
        self.in_span = nn.Embedding(num_positions, dim)

    def forward(self, positions_B2T: Tensor) -> Tensor:
        """Return [B, T, dim] for int64 [B, 2, T]."""
        added: Tensor = self.in_text(positions_B2T[:, 0]) + self.in_span(positions_B2T[:, 1])
        return added


def hidden_keys(length_A_B: Tensor, tokens: int) -> Tensor:
    """Return GLM's mask in Megatron's form: bool [B, 1, T, T], True where query row i must not see key column j.

    Part A is the first `length_A_B` tokens of each sequence: every token sees it. A token of part B sees part B up to
    itself, in the order of the shuffled spans. Padding comes last, so only padding sees it.
    """
    column = torch.arange(tokens, device=length_A_B.device)
    later = column[None, :] > column[:, None]
    return (later[None] & (column[None, None, :] >= length_A_B[:, None, None]))[:, None]


def as_generation(tokens_BT: Tensor, gmask_id: int, sop_id: int) -> tuple[Tensor, Tensor]:
    """Return tokens [B, T + 2] and positions [B, 2, T + 2] that make GLM continue a text from nothing.

    Part A is one [gMASK], part B is [sop] and the text: the mask is then the causal one, and the row of token t scores
    the token at t + 1.
    """
    head = torch.tensor([gmask_id, sop_id], device=tokens_BT.device).expand(tokens_BT.size(0), 2)
    in_span_T = torch.arange(tokens_BT.size(1) + 2, device=tokens_BT.device)
    positions_B2T = torch.stack([torch.zeros_like(in_span_T), in_span_T]).expand(tokens_BT.size(0), 2, -1)
    return torch.cat([head, tokens_BT], dim=1), positions_B2T
