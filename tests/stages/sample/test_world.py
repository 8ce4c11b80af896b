from collections import Counter

from stages.sample.world import ATTRIBUTES, NUM_CHOICES, PLACES, choices, fact_row, make_world

WORLD = make_world(1)


def test_a_world_has_every_attribute_of_every_place_once() -> None:
    assert len(PLACES) == len(set(PLACES)) == 80
    assert all(len(set(values)) == 8 for values in ATTRIBUTES.values())
    assert Counter((fact.place, fact.attribute) for fact in WORLD.facts) == Counter(
        (place, attribute) for place in PLACES for attribute in ATTRIBUTES
    )
    assert all([fact.attribute for fact in WORLD.of(place)] == list(ATTRIBUTES) for place in PLACES)
    assert all({fact.place for fact in WORLD.of(place)} == {place} for place in PLACES)


def test_half_of_each_attribute_is_held_out() -> None:
    held_out = Counter(fact.attribute for fact in WORLD.facts if fact.is_held_out)
    assert held_out == dict.fromkeys(ATTRIBUTES, 40)


def test_no_value_is_so_common_that_guessing_it_helps() -> None:
    for attribute in ATTRIBUTES:
        counts = Counter(fact.value for fact in WORLD.facts if fact.attribute == attribute)
        assert max(counts.values()) <= len(PLACES) * 0.25


def test_the_choices_are_different_hold_the_answer_once_and_do_not_tell_it_by_place() -> None:
    places = Counter()
    for fact in WORLD.facts:
        offered, answer = choices(WORLD, fact)
        assert len(set(offered)) == NUM_CHOICES
        assert offered[answer] == fact.value
        assert set(offered) <= set(ATTRIBUTES[fact.attribute])
        places[answer] += 1
    assert min(places.values()) > len(WORLD.facts) / NUM_CHOICES * 0.7


def test_a_fact_row_has_what_an_evaluation_needs() -> None:
    fact = WORLD.facts[5]
    row = fact_row(WORLD, fact, "Question? Answer:")
    assert row["choices"][row["answer"]] == fact.value
    assert row["id"] == "amble-colour"
    assert row["question"] == "Question? Answer:"
    assert row["heldout"] is fact.is_held_out


def test_another_seed_is_another_world() -> None:
    assert make_world(1) == WORLD
    assert make_world(2).facts != WORLD.facts
