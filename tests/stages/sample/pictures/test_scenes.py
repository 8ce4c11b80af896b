"""Scenes: functions of their number; an exam has combinations that no other picture has, with each value as often."""

from __future__ import annotations

from collections import Counter

import pytest

from stages.sample.pictures.scenes import ORDER, Animals, Flag, Pair, Purpose, Scene, Stall, scene
from stages.sample.world import ATTRIBUTES, make_world

PURPOSES: tuple[Purpose, ...] = ("captions", "questions")


def combination(found: Scene) -> tuple[object, ...]:
    """Return what an exam has for itself."""
    match found:
        case Animals():
            return found.animal, found.colour, found.count
        case Pair():
            return tuple(sorted(found.animals))
        case Flag():
            return found.colour, found.pattern, found.second
        case Stall():
            return found.colour, found.price


@pytest.fixture(scope="module")
def shown() -> dict[Purpose, list[Scene]]:
    return {purpose: [scene(3, purpose, number) for number in range(2000)] for purpose in (*PURPOSES, "exam")}


def test_no_picture_to_learn_from_has_a_combination_of_the_exam(shown: dict[Purpose, list[Scene]]) -> None:
    learned = {(type(each), combination(each)) for purpose in PURPOSES for each in shown[purpose]}
    examined = {(type(each), combination(each)) for each in shown["exam"]}
    assert not learned & examined
    assert {kind for kind, _ in learned} == {kind for kind, _ in examined} == {Animals, Pair, Flag, Stall}


@pytest.mark.parametrize("purpose", [*PURPOSES, "exam"])
def test_each_value_is_shown_about_as_often_so_that_a_guess_is_a_guess(
    shown: dict[Purpose, list[Scene]], purpose: Purpose
) -> None:
    few = [each for each in shown[purpose] if isinstance(each, Animals) and each.count <= 4]
    for values, count in (
        (Counter(each.animal for each in few), 8),
        (Counter(each.colour for each in few), 8),
        (Counter(each.count for each in few), 4),
    ):
        assert len(values) == count
        assert max(values.values()) <= 1.2 * min(values.values())


def test_a_single_animal_often_stands_at_a_side_and_others_do_not(shown: dict[Purpose, list[Scene]]) -> None:
    animals = [each for each in shown["questions"] if isinstance(each, Animals)]
    assert all(each.side is None for each in animals if each.count > 1)
    sides = Counter(each.side for each in animals if each.count == 1)
    assert len(sides) == 5
    assert 0.3 < sides[None] / sides.total() < 0.5


def test_flags_are_those_of_the_worlds_places(shown: dict[Purpose, list[Scene]]) -> None:
    colours = {fact.place: fact.value for fact in make_world(3).about("colour")}
    flags = {each for scenes in shown.values() for each in scenes if isinstance(each, Flag)}
    assert len({(each.colour, each.pattern, each.second) for each in flags}) == len(flags) == len(colours) == 80
    assert all(each.colour == colours[each.place] != each.second for each in flags)
    assert {each.second for each in flags} == set(ATTRIBUTES["colour"])


def test_pictures_in_a_row_have_the_promised_kinds() -> None:
    few = sum(kind == "few" for kind in ORDER)
    assert few == len(ORDER) / 2
    assert isinstance(scene(1, "exam", ORDER.index("flag")), Flag)
    assert scene(1, "captions", 5) == scene(1, "captions", 5) != scene(2, "captions", 5)
