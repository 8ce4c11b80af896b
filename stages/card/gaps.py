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
    checks = {
        "No licence is stated": lambda each: not each.licence and sum(each.licences.values()) < each.documents,
        "No language is stated": lambda each: sum(each.languages.values()) < each.documents,
        "No date or dump is stated": lambda each: not each.dates and not each.dumps,
        "There is no document": lambda each: not each.documents,
    }
    for text, lacks in checks.items():
        if names := [each.name or "(no name)" for each in sources if lacks(each)]:
            yield f"{text}: {', '.join(names)}."


def _of_run(card: Card) -> Iterator[str]:
    documents = sum(each.documents for each in card.sources)
    languages: dict[str, int] = {}
    for each in card.sources:
        for name, count in each.languages.items():
            languages[name] = languages.get(name, 0) + count
    if languages and (most := max(languages, key=languages.__getitem__)) and languages[most] > MAIN * documents:
        yield f"{percent(languages[most], documents)} of the documents are in one language: {most}."
    if not card.contamination:
        yield "Questions of evaluations were not looked for."
    elif short := sum(task.short for task in card.contamination):
        yield f"{short:,} questions of evaluations are too short to look for."
    if "nothing" in card.removed.values():
        yield "Documents with questions of evaluations were counted, and stay."
    if not card.masked:
        yield "Personal data was not masked."
