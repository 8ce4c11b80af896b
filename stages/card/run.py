"""The steps of `card`: counts of each file of documents, then the card and its page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.card.config import COUNT, CardConfig
from stages.card.gaps import gaps_of
from stages.formats.corpus.cards import Card, SourceCard, StepCard, TaskCard, write_card
from stages.formats.corpus.contamination import read_contamination
from stages.formats.corpus.quality import MASKS, Quality, read_quality
from stages.formats.documents import read_documents
from stages.formats.funnel import Funnel, merge, read_funnel
from stages.formats.kinds import KINDS
from stages.formats.token_counts import read_token_counts
from stages.shared import numbers
from stages.shared.contract import InputFile, Kind
from stages.shared.files import read_json, write_atomic, write_json
from stages.shared.task import Task
from stages.text.reasons import explain
from stages.text.words.tokens import count_words

COUNTS = "counts.json"
TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "card"
MONTH = re.compile(r"\d{4}-\d{2}")
SPACE = "\u202f"
"""A narrow space that no line break divides."""
MOST = 50
"""Values of a field that a file counts by name, such as licences; further ones are `other`."""


def count(task: Task[CardConfig]) -> dict[str, Any]:
    """Write the counts of the unit's file into task.out; return the documents."""
    (file,) = task.inputs["documents"]
    found = SourceCard(name=file.source)
    for number, document in enumerate(read_documents(file.path), start=1):
        found.documents += 1
        found.bytes += len(document["text"].encode("utf-8", "replace"))
        found.words += count_words(document["text"])
        date = MONTH.match(str(document.get("date", "")))
        for table, value in (
            (found.languages, document.get("language")),
            (found.licences, document.get("license", document.get("licence"))),
            (found.dumps, document.get("dump")),
            (found.dates, date and date[0]),
        ):
            if value:
                name = str(value) if str(value) in table or len(table) < MOST else "other"
                table[name] = table.get(name, 0) + 1
        task.progress(number)
    write_json(task.out / COUNTS, vars(found))
    return {"documents": found.documents, "bytes": found.bytes}


def card(task: Task[CardConfig]) -> dict[str, Any]:
    """Write the card and its page into task.out; return its sizes."""
    made = make_card(task.config, task.steps[COUNT], task.inputs["of"])
    write_card(task.out / KINDS.card.file, made)
    write_atomic(task.out / KINDS.card_page.file, page(made).encode("utf-8", "replace"))
    return {"sources": len(made.sources), "documents": sum(each.documents for each in made.sources)}


def make_card(config: CardConfig, counted: Sequence[Path], files: Sequence[InputFile]) -> Card:
    """Return the card of counted files of documents, with what the run's other files say."""
    there = [file for file in files if file.path.exists()]
    sources: dict[str, SourceCard] = {}
    for folder in counted:
        found = SourceCard(**read_json(folder / COUNTS))
        into = sources.setdefault(found.name, SourceCard(name=found.name))
        into.add(found)
    for name, notes in config.notes.items():
        sources[name].about, sources[name].origin, sources[name].licence = notes.about, notes.origin, notes.licence
    qualities = {file.section: read_quality(file.path) for file in _of(KINDS.quality, there)}
    every = Quality()
    for quality in qualities.values():
        every.add(quality)
    contaminations = {file.section: read_contamination(file.path) for file in _of(KINDS.contamination, there)}
    made = Card(
        title=config.title,
        about=config.about,
        sources=[sources[name] for name in sorted(sources)],
        steps=_steps(_of(KINDS.funnel, there)),
        contamination=[
            TaskCard(section=section, task=name, items=task.items, short=task.short, found=len(task.found))
            for section, found in contaminations.items()
            for name, task in found.tasks.items()
        ],
        removed={section: found.remove for section, found in contaminations.items()},
        quality={section: each.measured.auc for section, each in qualities.items() if each.measured},
        masked=dict(sorted(every.masked.items())),
        tokens={
            source: entry["tokens"]
            for file in _of(KINDS.token_counts, there)
            for source, entry in read_token_counts(file.path).items()
        },
        gaps=[],
    )
    made.gaps = [*config.gaps, *gaps_of(made)]
    return made


def _of(kind: Kind, files: Iterable[InputFile]) -> list[InputFile]:
    return [file for file in files if file.kind == kind.name]


def _steps(files: Iterable[InputFile]) -> list[StepCard]:
    """Return the steps of all funnels, by section in the order of the run."""
    funnels: dict[str, list[Funnel]] = {}
    for file in files:
        funnels.setdefault(file.section, []).append(read_funnel(file.path))
    return [
        StepCard(
            section=section,
            step=step.name,
            documents_in=step.pages_in,
            documents_out=step.pages_out,
            reasons=dict(sorted(step.reasons.items(), key=lambda each: -each[1])),
        )
        for section, found in funnels.items()
        for step in merge(found)
    ]


def page(made: Card) -> str:
    """Return the card as a page that loads nothing."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (numbers.count, numbers.short, numbers.size, numbers.percent):
        environment.filters[function.__name__] = _unbroken(function)
    environment.filters["explain"] = explain
    return environment.get_template("card.html.j2").render(card=made, masks=MASKS)


def _unbroken(function: Callable[..., str]) -> Callable[..., str]:
    """Return a function whose text no line break divides."""
    return lambda *values: function(*values).replace(" ", SPACE)
