"""Ranges of slots."""

from __future__ import annotations

import random

from stages.generate.slots import Slots


def test_lent_ranges_never_overlap_and_all_come_back_as_one() -> None:
    draw, slots = random.Random(1), Slots(100)
    lent: list[tuple[int, int]] = []
    for _ in range(500):
        count = draw.randrange(1, 20)
        start = slots.take(count) if draw.random() < 0.6 else None
        if start is not None:
            assert all(start + count <= begin or begin + size <= start for begin, size in lent)
            assert 0 <= start <= 100 - count
            lent.append((start, count))
        elif lent:
            slots.give_back(*lent.pop(draw.randrange(len(lent))))
        assert slots.num_free == 100 - sum(size for _, size in lent)
    for each in lent:
        slots.give_back(*each)
    assert slots.take(101) is None
    assert slots.take(100) == 0


def test_nothing_can_be_given_back() -> None:
    slots = Slots(3)
    slots.give_back(0, 0)
    assert slots.num_free == 3
    assert Slots(0).take(1) is None
