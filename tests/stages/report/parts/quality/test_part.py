"""Sums of kept documents by threshold, and the AUC beside chance."""

from __future__ import annotations

from stages.formats.corpus.quality import STEPS, Measured, Quality, SourceScores
from stages.report.parts.quality.part import view
from tests.stages.report.test_page import page_of

ONES = [1] * STEPS


def quality(measured: Measured | None = None) -> Quality:
    scores = {name: SourceScores(documents=ONES, bytes=[10] * STEPS) for name in ("web", "books")}
    return Quality(sources=scores, threshold=0.37, bands=[0.5], masked={"emails": 3}, measured=measured)


def test_each_threshold_keeps_what_is_at_or_above_it() -> None:
    rows = {row.score: row for row in view(quality()).values["rows"]}
    assert (rows[0.0].documents, rows[0.0].bytes) == (200, 2000)
    assert (rows[0.37].documents, rows[0.5].documents, rows[0.99].documents) == (126, 100, 2)
    assert rows[0.37].by_source == {"web": 63, "books": 63}


def test_the_page_has_the_auc_of_a_trained_classifier_and_none_of_a_given_one() -> None:
    measured = Measured(trained=(9, 8), heldout=(100, 100), auc=0.997, good=ONES, bad=ONES)
    shown = view(quality(measured))
    (card,) = shown.cards
    assert (card.value, card.note) == (0.997, "on 200 held-out documents; chance 0.5")
    page = page_of(quality=shown)
    assert "probability 0.997" in page
    assert "0.37 is the threshold in use" in page
    assert "3 mail addresses." in page
    assert view(quality()).cards == ()
    assert "that the recipe gives" in page_of(quality=view(quality()))
    assert "1 mail addresses" in page_of(quality=view(Quality(masked={"emails": 1})))
