"""Data cards: counts of files are added, and what is written is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.corpus.cards import Card, SourceCard, StepCard, TaskCard, read_card, write_card
from stages.shared.errors import DataError

CARD = Card(
    title="A <corpus>",
    about="",
    sources=[SourceCard(name="web", documents=2, bytes=30, words=5, languages={"en": 2})],
    steps=[StepCard(section="web", step="quality", documents_in=3, documents_out=2, reasons={"too_few_words": 1})],
    contamination=[TaskCard(section="clean", task="piqa", items=9, short=1, found=2)],
    removed={"clean": "document"},
    quality={"picked": 0.99},
    masked={"emails": 2},
    tokens={"web": 12},
    gaps=["one"],
)


def test_counts_of_two_files_are_added() -> None:
    one = SourceCard(name="web", documents=1, bytes=10, words=2, languages={"zh": 1}, dates={"2024-01": 1})
    one.add(SourceCard(name="web", documents=2, bytes=5, words=1, languages={"en": 1, "zh": 1}))
    assert one == SourceCard(
        name="web", documents=3, bytes=15, words=3, languages={"en": 1, "zh": 2}, dates={"2024-01": 1}
    )


def test_a_card_is_read_as_it_was_written_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    write_card(tmp_path / "card", CARD)
    assert read_card(tmp_path / "card") == CARD
    (tmp_path / "card").write_text("[]")
    with pytest.raises(DataError, match="card: not a data card"):
        read_card(tmp_path / "card")
