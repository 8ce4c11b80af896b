"""The part about people's labels: how many there are, and how far the labellers agree."""

from __future__ import annotations

from stages.formats.chat.agreements import Agreement, read_agreement
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Missing, Part, View, not_run


def show(material: Material) -> View | Missing:
    """Return the agreement of one section."""
    files = material.of(KINDS.agreement)
    return view(read_agreement(files[0].path)) if files else not_run(f"section {material.section} has no labels")


def view(found: Agreement) -> View:
    """Return the tables of labellers and reasons. Pure."""
    labels = sum(found.labellers.values())
    card = Card(
        id="agreement",
        label="agreement of labellers",
        text="none" if found.ordinal is None else f"{found.ordinal:.2f}",
        value="" if found.ordinal is None else found.ordinal,
        note="Krippendorff's alpha: 1 full agreement, 0 chance",
    )
    return View(values={"found": found, "labels": labels}, cards=(card,))


PART = Part(title="Labels of people", kinds=(KINDS.agreement,), show=show)
