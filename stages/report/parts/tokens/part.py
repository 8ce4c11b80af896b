"""The part about tokens: how many each source gives."""

from __future__ import annotations

from stages.formats.kinds import KINDS
from stages.formats.token_counts import Counts
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.report.parts.tokens.read import read
from stages.report.words import plural, short


def show(material: Material) -> View | Missing:
    """Return the tokens of one section."""
    counts = read(material)
    return view(counts) if counts else not_run(f"section {material.section} has counted no source")


def view(counts: Counts) -> View:
    """Return the table of sources. Pure."""
    total = sum(entry["tokens"] for entry in counts.values())
    heldout = plural(sum(entry["heldout_documents"] for entry in counts.values()), "document")
    card = Card(id="tokens-total", label="tokens", text=short(total), value=total, note=f"{heldout} held out")
    return View(values={"counts": counts, "total": total}, cards=(card,))


PART = Part(title="Tokens", kinds=(KINDS.token_counts,), show=show, card="tokens")
