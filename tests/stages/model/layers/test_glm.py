"""GLM's mask and positions on hand-made cases."""

from __future__ import annotations

import torch

from stages.model.layers.glm import BlockPositions, as_generation, hidden_keys

# Ten tokens, two spans of x1 x2 x3 x4 x5 x6 blanked (x3, and x5 x6), the second one first in part B
# (arXiv:2103.10360, figure 2): A = x1 x2 [M] x4 [M], B = [S] x5 x6 [S] x3, and the second sequence one token longer.
SEEN = """
1111100000
1111100000
1111100000
1111100000
1111100000
1111110000
1111111000
1111111100
1111111110
1111111111
"""


def test_part_a_sees_itself_and_part_b_what_came_before() -> None:
    hidden = hidden_keys(torch.tensor([5, 6]), 10)
    assert hidden.shape == (2, 1, 10, 10)
    rows = ["".join("0" if masked else "1" for masked in row) for row in hidden[0, 0].tolist()]
    assert rows == SEEN.split()
    assert (~hidden[1, 0])[:6].sum(1).tolist() == [6] * 6


def test_a_token_has_the_sum_of_its_two_positions() -> None:
    positions = BlockPositions(7, 4)
    ids = torch.tensor([[[0, 1, 1], [0, 0, 6]]])
    expected = positions.in_text.weight[[0, 1, 1]] + positions.in_span.weight[[0, 0, 6]]
    assert torch.equal(positions(ids)[0], expected)


def test_a_text_is_continued_as_the_one_span_behind_a_gmask() -> None:
    tokens, positions = as_generation(torch.tensor([[5, 6, 7], [8, 9, 5]]), gmask_id=100, sop_id=101)
    assert tokens.tolist() == [[100, 101, 5, 6, 7], [100, 101, 8, 9, 5]]
    assert positions.tolist() == [[[0, 0, 0, 0, 0], [0, 1, 2, 3, 4]]] * 2
