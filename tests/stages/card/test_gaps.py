"""Gaps that follow from counts."""

from __future__ import annotations

from dataclasses import replace

from stages.card.gaps import gaps_of
from stages.formats.corpus.cards import SourceCard, TaskCard
from tests.stages.formats.corpus.test_cards import CARD

FULL = SourceCard(name="web", documents=4, licence="CC0", languages={"en": 2, "zh": 2}, dumps={"CC-MAIN-2024-10": 4})


def test_what_is_stated_and_was_looked_at_is_no_gap() -> None:
    assert (
        gaps_of(
            replace(CARD, sources=[FULL], contamination=[TaskCard(section="c", task="t", items=1, short=0, found=0)])
        )
        == []
    )


def test_what_no_source_states_is_named_by_source() -> None:
    empty = SourceCard(name="", documents=0)
    found = gaps_of(replace(CARD, sources=[FULL, replace(FULL, name="books", licence="", dumps={}), empty]))
    assert found[:3] == [
        "Documents without a licence: books.",
        "Sources without a date or a dump: books, (no name).",
        "Sources without a document: (no name).",
    ]


def test_what_nobody_looked_at_is_a_gap() -> None:
    sources = [replace(FULL, languages={"en": 4})]
    bare = replace(CARD, sources=sources, contamination=[], masked={}, removed={"c": "nothing"})
    assert gaps_of(bare) == [
        "100.0 % of the documents are in one language: en.",
        "Questions of evaluations were not looked for.",
        "Documents with questions of evaluations were counted, and stay.",
        "Personal data was not masked.",
    ]
    assert "1 questions of evaluations are too short to look for." in gaps_of(CARD)
