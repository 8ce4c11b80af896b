"""The part about contamination: the questions of evaluations that were found in documents, with their passages."""

from __future__ import annotations

from stages.formats.corpus.contamination import Contamination, read_contamination
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Part, View
from stages.report.words import plural, short

REMOVED = {
    "document": "Each document with such a passage was removed.",
    "passage": "These passages were cut out of the documents, with a margin.",
    "nothing": "Nothing was removed: this run counts.",
}


def show(material: Material) -> View:
    """Return the contamination of one section."""
    (file,) = material.of(KINDS.contamination)
    return view(read_contamination(file.path))


def view(found: Contamination) -> View:
    """Return the table of tasks, and passages to read. Pure."""
    items = sum(len(task.found) for task in found.tasks.values())
    note = f"in {plural(found.contaminated, 'document')} of {short(found.documents)}"
    card = Card(id="contaminated", label="exam questions found", text=short(items), value=items, note=note)
    return View(values={"found": found, "items": items, "removed": REMOVED[found.remove]}, cards=(card,))


PART = Part(title="Contamination", kinds=(KINDS.contamination,), show=show)
