"""The walk through the tree of prefixes, and the steps it is cut into."""

from __future__ import annotations

import random

import pytest

from stages.generate.plan import Visits, common, plan_groups, plan_steps, seen_by, walk
from stages.model.layers.visits import Seen, Visit


def sequences(count: int = 60) -> list[tuple[int, ...]]:
    draw = random.Random(4)
    return sorted(tuple(draw.randrange(3) for _ in range(draw.randrange(1, 15))) for _ in range(count))


def test_each_distinct_prefix_is_walked_once() -> None:
    found = walk([(tokens, 0) for tokens in sequences()])
    prefixes = {tokens[:at] for tokens in sequences() for at in range(1, len(tokens) + 1)}
    assert len(found.tokens) == len(prefixes)
    for tokens, places in zip(sequences(), found.places, strict=True):
        assert [found.tokens[place] for place in places] == [*tokens]
        assert [found.depths[place] for place in places] == [*range(len(tokens))]


@pytest.mark.parametrize("batch", [1, 3, 8, 1000])
def test_each_token_sees_exactly_its_own_prefix_whatever_the_size_of_a_step(batch: int) -> None:
    room = 15
    walked = walk([(tokens, 0) for tokens in sequences()])
    held: dict[int, tuple[int, ...]] = {}  # slot: the prefix whose last token is there
    seen_by_all = []
    for step in plan_steps(walked, batch, room):
        seen: list[set[int]] = [set() for _ in step.tokens]
        assert [new for visit in step.visits.own for new in range(visit.first, visit.last)] == [
            *range(len(step.tokens))
        ]
        for visit in step.visits.own:
            assert visit.is_causal
            for new in range(visit.first, visit.last):
                seen[new] |= {*range(visit.start, visit.start + new - visit.first + 1)}
        for visit in step.visits.shared:
            for new in range(visit.first, visit.last):
                assert not seen[new] & {*range(visit.start, visit.stop)}, "a slot is seen twice"
                seen[new] |= {*range(visit.start, visit.stop)}
        for new, token in enumerate(step.tokens):
            slots = sorted(seen[new] - {step.slots[new]}, key=lambda slot: len(held[slot]))
            prefix = (*(held[slot][-1] for slot in slots), token)
            assert len(prefix) == step.positions[new] + 1
            held[step.slots[new]] = prefix
            seen_by_all.append(prefix)
        for start, to, count in step.copies:
            assert start >= room > to + count - 1
            held.update({to + at: held[start + at] for at in range(count)})
    assert sorted(seen_by_all) == sorted({tokens[:at] for tokens in sequences() for at in range(1, len(tokens) + 1)})


def test_neighbours_that_see_the_same_slots_share_a_visit() -> None:
    visits = Visits()
    visits.add_shared(0, 4, 10, 20)
    visits.add_shared(4, 6, 10, 20)
    visits.add_shared(7, 9, 10, 20)
    visits.add_shared(7, 9, 5, 5)
    assert visits.shared == [Visit(0, 6, 10, 20), Visit(7, 9, 10, 20)]


@pytest.mark.parametrize(("one", "other", "length"), [((), (1,), 0), ((1, 2), (1, 2, 3), 2), ((1, 2, 4), (1, 3, 4), 1)])
def test_the_common_prefix_is_found(one: tuple[int, ...], other: tuple[int, ...], length: int) -> None:
    assert common(one, other) == common(other, one) == length


def test_groups_hold_all_sequences_and_repeat_only_what_they_begin_with() -> None:
    asked = [(1, 2, 3, number) for number in range(20)] + [(1, 2, 3, 4)]
    groups = plan_groups(asked, limit=10)
    assert sorted(index for group in groups for index in group) == [*range(21)]
    assert [len(group) for group in groups] == [8, 7, 6]  # 3 + 7 tokens, one of them asked twice
    assert plan_groups([], 10) == []


def slots_seen(seen: Seen, count: int) -> list[list[int]]:
    """Return the slots that each token sees, in order; its own must be seen first."""
    found: list[list[int]] = [[] for _ in range(count)]
    assert [new for visit in seen.own for new in range(visit.first, visit.last)] == [*range(count)]
    for visit in (*seen.own, *seen.shared):
        for new in range(visit.first, visit.last):
            stop = visit.start + new - visit.first + 1 if visit.is_causal else visit.stop
            found[new] += range(visit.start, stop)
    return [sorted(slots) for slots in found]


def test_scored_tokens_see_what_they_saw_among_all() -> None:
    visits = Visits()
    visits.add_shared(0, 6, 0, 10)
    visits.add_causal(0, 6, 20)
    visits.add_single(6, 30, 33)
    visits.add_shared(7, 10, 0, 5)
    visits.add_causal(7, 10, 40)
    whole = slots_seen(visits.seen(), 10)
    for scored in ([0], [5], [6], [0, 1, 2], [1, 3, 4, 5, 6, 8, 9], [*range(10)], [9]):
        assert slots_seen(seen_by(visits.seen(), scored), len(scored)) == [whole[new] for new in scored]
