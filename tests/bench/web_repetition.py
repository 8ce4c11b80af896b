"""Repetition and quality beside datatrove's filters with its spaCy words, and language beside fastText on whole texts.

python -m tests.bench.web_repetition [--rounds 3] [--check]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.filters.base_filter import BaseFilter

from stages.sample.draw import Draw
from stages.sample.prose import article
from stages.sample.world import make_world
from stages.text.rules.filters import QualityFilter, RepetitionFilter
from stages.text.rules.language import default_model, detect, load_model
from stages.text.rules.lines import LineCorrection
from stages.text.rules.measures import measure
from stages.text.settings import LanguageSettings, LineSettings, QualitySettings, RepetitionSettings
from stages.text.words import stop_words
from tests.bench.compare import Comparison, alternate
from tests.stages.text.real_pages import PAGES, page_texts

FEW = 150
"""Pages for what takes 10 ms a page."""
PAGE_CHARS = 5_000
"""A page of text, for rates that do not depend on which pages they are."""


def texts() -> Sequence[str]:
    """Return the main texts of real pages, or articles of the sample web where there are none."""
    if PAGES.exists():
        return page_texts()
    world = make_world(1)
    return ["\n".join([title, *paragraphs]) for title, paragraphs in (article(world, Draw("b", n)) for n in range(600))]


def judge(found: Sequence[str], *filters: BaseFilter) -> Callable[[], float]:
    """Return a function that lets each page pass the filters in turn; a page a filter drops goes no further."""

    def work() -> float:
        for text in found:
            doc = Document(text=text, id="")
            any(judged.filter(doc) is not True for judged in filters)
        return float(len(found))

    return work


def each(found: Sequence[str], work: Callable[[str], object], unit_chars: int | None = None) -> Callable[[], float]:
    """Return a function that does `work` on every text; its units are texts, or pages of `unit_chars` characters."""

    def run() -> float:
        for text in found:
            work(text)
        return sum(map(len, found)) / unit_chars if unit_chars else float(len(found))

    return run


def comparisons(rounds: int) -> list[Comparison]:
    """Return what came out, with the issue's limits for the first."""
    found = texts()
    few = found[:: max(1, len(found) // FEW)]
    model, chars = default_model(), LanguageSettings().sample_chars
    whole = load_model(model)
    lists = stop_words.shipped()
    ours = RepetitionFilter(RepetitionSettings()), QualityFilter(QualitySettings())
    theirs = GopherRepetitionFilter(), GopherQualityFilter()
    judge(few[:3], *ours, *theirs)()  # compiled, loaded
    repetition = alternate(judge(found, ours[0]), judge(few, theirs[0]), rounds)
    both = alternate(judge(found, *ours), judge(few, *theirs), rounds)
    labels = alternate(
        each(found, lambda text: detect(text, model, chars)),
        each(few, lambda text: whole.predict(text.replace("\n", " "), k=-1)),
        rounds,
    )
    lines = LineCorrection(LineSettings())
    rows = alternate(
        each(found, lambda text: measure(text, "en", 0.9, lists), PAGE_CHARS),
        each(found, lambda text: lines.reason(Document(text=text, id="")), PAGE_CHARS),
        rounds,
    )
    spacy = "datatrove's filter, spaCy's words"
    return [
        Comparison("repetition", "page", *repetition, spacy, 20.0, "words, all measures, verdict"),
        Comparison("repetition and quality", "page", *both, spacy, 20.0, "words, all measures, verdicts"),
        Comparison("language", "page", *labels, "fastText, whole text", 3.0, f"{chars} characters"),
        Comparison("measures", "5 kB", rows[0], 1.0, "0.4 ms each", 2_500.0, "words and all measures"),
        Comparison("line-wise correction", "5 kB", rows[1], 1.0, "0.4 ms each", 2_500.0),
    ]
