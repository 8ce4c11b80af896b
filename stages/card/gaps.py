"""Known gaps that follow from a card's counts: what no source states, and what the run did not look at. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from stages.formats.corpus.cards import Card, SourceCard
from stages.shared.numbers import percent

MAIN = 0.9
"""Share of the documents in one language from which on the others are rare."""


def gaps_of(card: Card) -> list[str]:
    """Return a sentence for each gap."""
    return [*_of_sources(card.sources), *_of_run(card)]


def _of_sources(sources: list[SourceCard]) -> Iterator[str]:
    def named(text: str, lacking: list[SourceCard]) -> Iterator[str]:
        if lacking:
            yield f"{text}: {', '.join(each.name or '(no name)' for each in lacking)}."

    unlicensed = [each for each in sources if not each.licence and sum(each.licences.values()) < each.documents]
    yield from named("Documents without a licence", unlicensed)
    unlabelled = [each for each in sources if sum(each.languages.values()) < each.documents]
    yield from named("Documents without a language", unlabelled)
    yield from named(
        "Sources without a date or a dump", [each for each in sources if not each.dates and not each.dumps]
    )
    yield from named("Sources without a document", [each for each in sources if not each.documents])


def _of_run(card: Card) -> Iterator[str]:
    every = SourceCard(name="")
    for each in card.sources:
        every.add(each)
    most = max(every.languages, key=every.languages.__getitem__, default="")
    if most and every.languages[most] > MAIN * every.documents:
        yield f"{percent(every.languages[most], every.documents)} of the documents are in one language: {most}."
    if not card.contamination:
        yield "Questions of evaluations were not looked for."
    elif short := sum(task.short for task in card.contamination):
        yield f"{short:,} questions of evaluations are too short to look for."
    if "nothing" in card.removed.values():
        yield "Documents with questions of evaluations were counted, and stay."
    if not card.masked:
        yield "Personal data was not masked."
