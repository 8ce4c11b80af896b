"""The part about chats that were read or made: what was asked, kept and rejected, what it cost, family trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.formats.chat.syntheses import Relative, Round, Synthesis, read_synthesis
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.report.words import short
from stages.shared.numbers import plural
from stages.teacher.meter import Spent, read_spent

SHOWN_FAMILIES = 5


@dataclass(frozen=True)
class Group:
    """The candidates of one noun, over all units."""

    noun: str
    candidates: int
    kept: int
    rejected: Mapping[str, int]
    """By reason, the most frequent first."""
    mended: Mapping[str, int]
    examples: Mapping[str, Mapping[str, Any]]
    """One rejected candidate of each reason."""


def show(material: Material) -> View | Missing:
    """Return what one section read or made."""
    files = material.of(KINDS.synthesis)
    if not files:
        return not_run(f"section {material.section} has neither read nor made chats")
    return view([read_synthesis(file.path) for file in files], read_spent(material.run_dir, material.section))


def view(units: Sequence[Synthesis], spent: Spent) -> View:
    """Return the tables over all units, and what this run spent on them. Pure."""
    groups = [_group(noun, units) for noun in dict.fromkeys(unit.noun for unit in units)]
    last = groups[-1]
    note = f"of {plural(last.candidates, last.noun)}"
    card = Card(id="chats-made", label="chats kept", text=short(last.kept), value=last.kept, note=note)
    families = [family for unit in units for family in unit.families][:SHOWN_FAMILIES]
    values = {
        "groups": groups,
        "requests": _sum(unit.requests for unit in units),
        "prompt_tokens": sum(unit.prompt_tokens for unit in units),
        "answer_tokens": sum(unit.answer_tokens for unit in units),
        "spent": spent,
        "rounds": _rounds(units),
        "families": [_generations(family) for family in families],
    }
    return View(values=values, cards=(card,))


def _group(noun: str, units: Iterable[Synthesis]) -> Group:
    own = [unit for unit in units if unit.noun == noun]
    samples = [sample for unit in own for sample in unit.samples]
    return Group(
        noun=noun,
        candidates=sum(unit.candidates for unit in own),
        kept=sum(unit.kept for unit in own),
        rejected=_sum(unit.rejected for unit in own),
        mended=_sum(unit.mended for unit in own),
        examples={sample["reason"]: sample for sample in reversed(samples)},
    )


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    return dict(sum(map(Counter, counts), Counter()).most_common())


def _rounds(units: Iterable[Synthesis]) -> list[Round]:
    """Return the rounds, each summed over the units, which all have as many."""
    return [
        Round(
            candidates=sum(each.candidates for each in found),
            kept=sum(each.kept for each in found),
            pool=sum(each.pool for each in found),
        )
        for found in zip(*(unit.rounds for unit in units if unit.rounds), strict=False)
    ]


def _generations(family: Sequence[Relative]) -> list[tuple[int, Relative]]:
    """Return the members of a family tree with their depths: a child is one deeper than its deepest parent."""
    depths: dict[str, int] = {}
    for relative in family:
        depths[relative.id] = 1 + max((depths.get(parent, -1) for parent in relative.parents), default=-1)
    return [(depths[relative.id], relative) for relative in family]


PART = Part(title="Chats", kinds=(KINDS.synthesis,), show=show, card="chats kept")
