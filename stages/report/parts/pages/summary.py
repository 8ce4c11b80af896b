"""Summaries of the pages: reasons for dropping them, and the hosts and languages with the most. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stages.formats.tables import Row, Tables
from stages.report.parts.pages.read import PageCounts, RejectedPage

MAX_HOSTS = 20
MAX_LANGUAGES = 20
"""Rows of the two tables; a last row sums the others."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Pages that a step dropped for one reason."""

    step: str
    reason: str
    pages: int
    bytes: int
    tokens: int
    examples: tuple[RejectedPage, ...]


def reasons(pages: PageCounts) -> dict[str, list[Reason]]:
    """Return the reasons by step: steps in order, the commonest reason of each first."""
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


def notes(pages: PageCounts) -> list[tuple[str, str, int]]:
    """Return (step, name, count) of everything else that the steps counted."""
    return [(step.name, note, number) for step in pages.funnel for note, number in step.notes.items()]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The hosts or the languages with the most pages."""

    id: str
    noun: str
    """Name of a row, in the singular."""
    nameless: str
    """Takes the place of an empty name."""
    rows: list[tuple[str, Row]]
    rest: Row | None
    """All others together; None if there are none."""
    unlisted: int
    """Most pages that a row may lack, because they were counted in `rest`."""


def rankings(tables: Tables | None) -> list[Ranking]:
    """Return the languages and the hosts; nothing without tables."""
    if tables is None:
        return []
    languages, hosts = tables.languages(), tables.hosts()
    return [
        Ranking(
            id="languages",
            noun="language",
            nameless="(unknown: dropped before language identification)",
            rows=languages[:MAX_LANGUAGES],
            rest=_sum(row for _, row in languages[MAX_LANGUAGES:]),
            unlisted=0,
        ),
        Ranking(
            id="hosts",
            noun="host",
            nameless="(no host)",
            rows=hosts[:MAX_HOSTS],
            rest=_sum([*(row for _, row in hosts[MAX_HOSTS:]), tables.other]),
            unlisted=tables.unlisted,
        ),
    ]


def _sum(rows: Iterable[Row]) -> Row | None:
    total = Row(*map(sum, zip(Row(0, 0, 0, 0), *rows, strict=True)))
    return total if any(total) else None
