"""Pieces of a text around passages, and documents that fall into too many."""

from __future__ import annotations

import random

from datatrove.data import Document

from stages.text.overlap.block import Decontamination, Removal, pieces
from stages.text.overlap.index import OverlapIndex, Sizes
from tests.stages.text.overlap.planting import sentence


def test_a_passage_goes_with_its_margin_to_the_next_space() -> None:
    text = "one two three four five six seven"
    start = text.index("four")
    assert pieces(text, [(start, start + 4)], Removal(margin_chars=3)) == ["one two", "six seven"]
    assert pieces(text, [(0, len(text))], Removal()) == []
    assert pieces("天地人心手足目耳", [(3, 5)], Removal(margin_chars=1)) == ["天地", "目耳"]


def test_margins_that_overlap_leave_nothing_between_passages() -> None:
    text = "a" * 10 + " " + "b" * 10 + " " + "c" * 10
    assert pieces(text, [(0, 10), (22, 32)], Removal(margin_chars=6)) == []


def test_a_document_with_items_all_over_is_dropped_whole() -> None:
    draw = random.Random(0)
    items = [sentence(draw) for _ in range(6)]
    text = "\n".join(f"{item}\n{sentence(draw, 80)}" for item in items)
    seen = []
    for most, expected in ((3, "contaminated_throughout"), (6, None)):
        removal = Removal("passage", margin_chars=10, max_pieces=most, min_chars=20)
        gate = Decontamination(OverlapIndex.of(items, Sizes()), removal, lambda _, hit, __: seen.append(hit.item))
        assert gate.reason(Document(text=text, id="d", metadata={})) == expected
    assert sorted(seen) == sorted([*range(6)] * 2)
