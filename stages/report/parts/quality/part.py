"""The part about quality: what a classifier is worth, and how many documents each threshold keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.formats.corpus.quality import MASKS, STEPS, Quality, read_quality
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Part, View
from stages.report.words import number

THRESHOLDS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Thresholds in the table, besides the one in use."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What a threshold keeps."""

    score: float
    documents: int
    bytes: int
    good: int
    bad: int
    """Held-out documents of the training."""
    by_source: Mapping[str, int]


def show(material: Material) -> View:
    """Return the scores of one section."""
    (file,) = material.of(KINDS.quality)
    return view(read_quality(file.path))


def view(found: Quality) -> View:
    """Return the table of thresholds. Pure."""
    scores = sorted({*THRESHOLDS, *([found.threshold] if found.threshold else []), *found.bands})
    rows = [_kept(found, score) for score in scores]
    return View(values={"found": found, "rows": rows, "whole": rows[0], "masks": MASKS}, cards=_cards(found))


def _kept(found: Quality, score: float) -> Threshold:
    first = round(score * STEPS)

    def above(counts: Sequence[int]) -> int:
        return sum(counts[first:])

    return Threshold(
        score=score,
        documents=sum(above(each.documents) for each in found.sources.values()),
        bytes=sum(above(each.bytes) for each in found.sources.values()),
        good=above(found.measured.good) if found.measured else 0,
        bad=above(found.measured.bad) if found.measured else 0,
        by_source={name: above(each.documents) for name, each in found.sources.items()},
    )


def _cards(found: Quality) -> tuple[Card, ...]:
    if found.measured is None:
        return ()
    auc, note = found.measured.auc, f"on {sum(found.measured.heldout):,} held-out documents; chance 0.5"
    return (Card(id="quality-auc", label="quality: AUC", text=number(auc), value=auc, note=note),)


PART = Part(title="Quality by model", kinds=(KINDS.quality,), show=show)
