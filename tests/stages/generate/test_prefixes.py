"""The tree of prompts in the cache."""

from __future__ import annotations

import random

from stages.generate.prefixes import Node, PromptTree, path_of
from stages.generate.slots import Slots


def prompt_of(node: Node) -> tuple[int, ...]:
    return tuple(token for part in path_of(node) for token in part.tokens)


def slots_of(node: Node) -> list[int]:
    return [slot for part in path_of(node) for slot in range(part.slot, part.slot + len(part.tokens))]


def test_what_two_prompts_begin_with_has_the_same_slots() -> None:
    tree = PromptTree(Slots(50))
    one, other, third = (tree.take(prompt, 2) for prompt in ((1, 2, 3, 4), (1, 2, 5), (1, 2, 3, 4)))
    assert one is not None
    assert other is not None
    assert third is not None
    assert slots_of(one[0])[:2] == slots_of(other[0])[:2]
    assert slots_of(one[0])[2] != slots_of(other[0])[2]
    assert third[0] is one[0]
    assert third[1] != one[1]


def test_a_split_keeps_what_is_computed() -> None:
    tree = PromptTree(Slots(50))
    taken = tree.take((1, 2, 3, 4), 1)
    assert taken is not None
    taken[0].computed = 3
    tree.take((1, 2, 9), 1)
    assert [part.computed for part in path_of(taken[0])] == [2, 1]
    assert not taken[0].is_computed


def test_unused_prompts_stay_until_their_slots_are_wanted_the_oldest_first() -> None:
    tree = PromptTree(Slots(10))
    for prompt in ((1, 2, 3), (4, 5, 6)):
        taken = tree.take(prompt, 1)
        assert taken is not None
        taken[0].computed = 3
        tree.leave(*taken, 1)
    again = tree.take((4, 5, 6, 7), 3)
    assert again is not None
    assert [part.computed for part in path_of(again[0])] == [3, 0]  # (1, 2, 3) gave way, (4, 5, 6) is still there
    assert tree.take((1, 2, 3), 4) is None  # three slots are free
    tree.leave(*again, 3)
    assert tree.take((8,) * 6, 4) is not None


def test_a_refused_prompt_takes_nothing_and_what_is_used_is_never_given_away() -> None:
    draw, slots = random.Random(3), Slots(60)
    tree = PromptTree(slots)
    held: list[tuple[Node, int, int, tuple[int, ...]]] = []
    for _ in range(600):
        prompt = tuple(draw.randrange(2) for _ in range(draw.randrange(0, 12)))
        private = draw.randrange(1, 8)
        taken = tree.take(prompt, private) if draw.random() < 0.6 else None
        if taken is not None:
            held.append((*taken, private, prompt))
        elif held:
            node, start, size, _ = held.pop(draw.randrange(len(held)))
            tree.leave(node, start, size)
        own = [slot for _, start, size, _ in held for slot in range(start, start + size)]
        shared = {slot: part for node, *_ in held for part in path_of(node) for slot in slots_of(part)}
        assert len(own) == len({*own})
        assert not {*own} & {*shared}
        assert all(prompt_of(node) == prompt for node, _, _, prompt in held)
    for node, start, size, _ in held:
        tree.leave(node, start, size)
    assert tree.take((7,) * 50, 10) is not None
