"""Positions of a picture of any resolution: an overview, then the tiles' features row by row, each row with a newline
(LLaVA-NeXT, llava_arch.py; transformers' `pack_image_features`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stages.pictures.plan import Layout

# Shape suffixes: N = squares, Q = positions of a square, D = width of the language model, S = positions of all
# pictures, R, C = rows and columns of a picture's features.


def arranged(rows_NQD: Tensor, layouts: Sequence[Layout], newline_1D: Tensor) -> Tensor:
    """Return the positions' embeddings of pictures, [S, D], given those of their squares, the overview first.

    Raises ValueError if there are more or fewer squares than planned.
    """
    planned = [layout.squares for layout in layouts]
    if sum(planned) != len(rows_NQD):
        raise ValueError(f"{sum(planned)} squares are planned for {len(layouts)} pictures, not {len(rows_NQD)}")
    parts = zip(rows_NQD.split(planned), layouts, strict=True)
    # Without a row there is no newline, and ranks would wait for its gradient.
    return torch.cat([_arranged(squares_NQD, layout, newline_1D) for squares_NQD, layout in parts]) + 0 * newline_1D


def _arranged(squares_NQD: Tensor, layout: Layout, newline_1D: Tensor) -> Tensor:
    overview_QD, tiles_NQD = squares_NQD[0], squares_NQD[1:]
    columns, rows = layout.tiles
    side = round(tiles_NQD.size(1) ** 0.5)
    whole_DRC = tiles_NQD.view(rows, columns, side, side, -1).permute(4, 0, 2, 1, 3).flatten(1, 2).flatten(2, 3)
    top, left = ((size - shown) // 2 for size, shown in zip(whole_DRC.shape[1:], layout.shown, strict=True))
    shown_DRC = whole_DRC[:, top : top + layout.shown[0], left : left + layout.shown[1]]
    if layout.kept != layout.shown:
        shown_DRC = F.interpolate(shown_DRC[None], layout.kept, mode="bilinear")[0]
    ends_DR1 = newline_1D.t()[:, None].expand(-1, layout.kept[0], -1).to(shown_DRC)
    return torch.cat([overview_QD, torch.cat([shown_DRC, ends_DR1], dim=2).flatten(1).t()])
