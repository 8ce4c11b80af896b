"""The index of items: planted ones are found whatever their form, others are not, forms are left out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stages.shared.errors import DataError
from stages.text.overlap.index import Overlap, OverlapIndex, Sizes
from stages.text.words.tokens import tokens
from tests.stages.text.overlap.planting import plant, sentence


def test_planted_items_are_found_and_hardly_anything_else() -> None:
    planted = plant(items=50, documents=400)
    index = OverlapIndex.of(planted.items, Sizes())
    found = {place: {hit.item for hit in index.find(text)} for place, text in enumerate(planted.texts)}
    hits = {place: numbers for place, numbers in found.items() if numbers}
    assert hits == {place: {number} for place, number in planted.places.items()}


def test_a_run_of_n_grams_is_one_overlap_with_its_tokens() -> None:
    draw = random.Random(1)
    item = sentence(draw)
    index = OverlapIndex.of([sentence(draw), item], Sizes())
    text = f"Before: it. {item}, after."
    (found,) = index.find(text)
    assert found == Overlap(1, 4, 28, 24)
    assert tokens(text)[found.first : found.end] == item.split()


def test_a_short_item_is_looked_for_as_a_whole_and_a_shorter_one_is_named() -> None:
    nine = "one two three four five six seven eight nine"
    index = OverlapIndex.of([nine, "too short", "面包多少钱一斤", "多佛的面包卖多少钱一斤"], Sizes())
    assert index.short.tolist() == [1, 2]
    assert [hit.item for hit in index.find("他问，多佛的面包卖多少钱一斤？")] == [3]
    assert [hit.item for hit in index.find(f"x {nine} y")] == [0]
    assert index.find("one two three four five six seven eight") == []


def test_words_that_many_items_share_are_a_form_and_not_an_item() -> None:
    draw = random.Random(2)
    form = sentence(draw, 20)
    items = [f"{form} item{number} {sentence(draw, 16)}" for number in range(12)]
    assert OverlapIndex.of(items, Sizes()).find(form) == []
    assert len(OverlapIndex.of(items, Sizes(), most_items=12).find(form)) == 12
    assert {hit.item for hit in OverlapIndex.of(items, Sizes()).find(items[3])} == {3}


def test_a_saved_index_finds_the_same_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    draw = random.Random(3)
    items = [sentence(draw) for _ in range(5)]
    index = OverlapIndex.of(items, Sizes())
    index.save(tmp_path / "index.npz")
    again = OverlapIndex.load(tmp_path / "index.npz")
    text = " . ".join(items)
    assert again.find(text) == index.find(text) != []
    (tmp_path / "index.npz").write_bytes(b"PK\x03\x04cut")
    with pytest.raises(DataError, match=r"index\.npz: no index of n-grams"):
        OverlapIndex.load(tmp_path / "index.npz")


@pytest.mark.parametrize("items", [[], ["short"], [""]])
def test_an_index_of_nothing_finds_nothing(items: list[str]) -> None:
    assert OverlapIndex.of(items, Sizes()).find("a text of some words") == []
