"""The numbers of the part about pages: why pages were dropped, and which hosts and languages they are from. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stages.formats.tables import Row, Tables
from stages.report.data import Example, Pages

MAX_HOSTS = 20
MAX_LANGUAGES = 20
"""Rows of the two tables; the others are summed in a last one."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why some pages went no further."""

    step: str
    reason: str
    pages: int
    bytes: int
    tokens: int
    examples: tuple[Example, ...]


def reasons(pages: Pages) -> dict[str, list[Reason]]:
    """Return the reasons of each step that dropped pages: steps in order, the commonest reason of each first."""
    return {
        step.name: [
            Reason(
                step=step.name,
                reason=reason,
                pages=number,
                bytes=step.reason_bytes.get(reason, 0),
                tokens=step.reason_tokens.get(reason, 0),
                examples=pages.examples.get((step.name, reason), ()),
            )
            for reason, number in sorted(step.reasons.items(), key=lambda item: (-item[1], item[0]))
            if number
        ]
        for step in pages.funnel
        if step.dropped
    }


def notes(pages: Pages) -> list[tuple[str, str, int]]:
    """Return (step, what, count) of everything else that the steps counted."""
    return [(step.name, note, number) for step in pages.funnel for note, number in step.notes.items()]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The hosts or the languages with the most pages."""

    id: str
    what: str
    """What a row is, in the singular."""
    nameless: str
    """What stands for an empty name."""
    rows: list[tuple[str, Row]]
    rest: Row | None
    """All others together; None if there are none."""
    missing: int
    """Pages that a row may have more than it says, at most."""


def rankings(tables: Tables | None) -> list[Ranking]:
    """Return the languages and the hosts; nothing if the report was given none."""
    if tables is None:
        return []
    languages, hosts = tables.languages(), tables.hosts()
    return [
        Ranking(
            id="languages",
            what="language",
            nameless="(dropped before anyone asked)",
            rows=languages[:MAX_LANGUAGES],
            rest=_sum(row for _, row in languages[MAX_LANGUAGES:]),
            missing=0,
        ),
        Ranking(
            id="hosts",
            what="host",
            nameless="(no host)",
            rows=hosts[:MAX_HOSTS],
            rest=_sum([*(row for _, row in hosts[MAX_HOSTS:]), tables.other]),
            missing=tables.unlisted,
        ),
    ]


def _sum(rows: Iterable[Row]) -> Row | None:
    total = Row(*map(sum, zip(Row(0, 0, 0, 0), *rows, strict=True)))
    return total if any(total) else None
