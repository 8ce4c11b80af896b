"""Single tokens' attention in blocks of slots against the softmax of each alone."""

from __future__ import annotations

import random

import pytest
import torch

from stages.model.layers.rows import gather_rows
from stages.model.layers.visits import Visit

SLOTS, BLOCK, WIDTH = 4096, 16, 8


def visits(*ranges: tuple[int, int]) -> list[Visit]:
    return [Visit(at, at + 1, start, stop) for at, (start, stop) in enumerate(ranges)]


def scattered(count: int) -> list[Visit]:
    """Return ranges of 1 to 70 slots, each from the start of a block, in random order, some of them far apart."""
    draw, start, found = random.Random(2), 0, []
    for _ in range(count):
        stop = start + draw.randrange(1, 70)
        found.append((start, stop))
        start = (-(-stop // BLOCK) + draw.choice([0, 1, 3, 60])) * BLOCK
    draw.shuffle(found)
    assert found[-1][1] <= SLOTS
    return visits(*found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (6, 2), (3, 1)])
@pytest.mark.parametrize("asked", [scattered(12), visits((5, 6)), visits((3, 40)), visits((0, 16), (4080, 4096))])
def test_rows_are_attended_as_each_alone(dtype: torch.dtype, heads: int, groups: int, asked: list[Visit]) -> None:
    draw = torch.Generator().manual_seed(1)
    query, keys, values = (
        torch.randn(shape, generator=draw, dtype=dtype)
        for shape in ((len(asked), heads, WIDTH), (groups, SLOTS, WIDTH), (groups, SLOTS, WIDTH))
    )
    rows, rest = gather_rows(asked, BLOCK, SLOTS, query)
    assert rows is not None
    assert not rest
    mixed, log_sums = rows.attend(query, keys, values, 0.3)
    sums = log_sums()
    for visit in asked:
        seen_keys, seen_values = (
            x[:, visit.start : visit.stop].repeat_interleave(heads // groups, 0) for x in (keys, values)
        )
        scores = 0.3 * (seen_keys @ query[visit.first][..., None])[..., 0]
        expected = (scores.softmax(-1)[:, None] @ seen_values)[:, 0]
        assert torch.allclose(mixed[visit.first], expected, atol=1e-6)
        assert torch.allclose(sums[:, visit.first, 0], scores.logsumexp(-1), atol=1e-6)


def test_what_lies_far_apart_is_not_read_together() -> None:
    near, far = (
        gather_rows(visits((0, 5), (first, first + 5)), BLOCK, 1 << 20, torch.zeros(1, 1, 512))[0]
        for first in (BLOCK, 1 << 15)
    )
    assert near is not None
    assert far is not None
    assert near.runs == ((0, 2),)
    assert far.runs == ((0, 1), (2048, 2049))


def test_a_visit_of_many_tokens_or_of_slots_beside_another_rows_or_in_a_part_of_a_block_is_no_row() -> None:
    whole, tokens, beside, end = Visit(0, 1, 0, 20), Visit(1, 4, 64, 90), Visit(4, 5, 24, 30), Visit(5, 6, 96, 100)
    rows, rest = gather_rows([whole, tokens, beside, end], BLOCK, 100, torch.zeros(1, 1, WIDTH))
    assert rows is not None
    assert rows.tokens.tolist() == [0]
    assert sorted(rest, key=lambda visit: visit.first) == [tokens, beside, end]
    assert gather_rows([whole], None, 100, torch.zeros(1, 1, WIDTH)) == (None, [whole])
    assert gather_rows([tokens], BLOCK, 100, torch.zeros(1, 1, WIDTH)) == (None, [tokens])
