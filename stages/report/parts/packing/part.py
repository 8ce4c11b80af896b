"""The part about packed chats: how full the rows are, and which chats were left out, cut or split."""

from __future__ import annotations

from stages.formats.chat.packing import Packing, read_packing
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.report.words import percent


def show(material: Material) -> View | Missing:
    """Return the packing of one section."""
    files = material.of(KINDS.packing)
    return view(read_packing(files[0].path)) if files else not_run(f"section {material.section} has packed no chats")


def view(packing: Packing) -> View:
    """Return the table of sources. Pure."""
    found = packing.sources.values()
    tokens, room = sum(each.tokens for each in found), packing.row_tokens * sum(each.rows for each in found)
    learned = sum(each.learned for each in found)
    card = Card(
        id="fill",
        label="rows filled",
        text=percent(tokens, room),
        value=tokens / room if room else "",
        note=f"{percent(learned, tokens)} of the tokens are learned",
    )
    return View(values={"sources": packing.sources, "row_tokens": packing.row_tokens}, cards=(card,))


PART = Part(title="Packed chats", kinds=(KINDS.packing,), show=show)
