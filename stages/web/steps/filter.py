"""The `filter` step: the rules for language, repetition and quality on stored measures, then line-wise correction.

The order is RefinedWeb's (arXiv:2306.01116, figure 2). Takes seconds a unit, so thresholds can be tuned cheaply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.text.blocks.documents_io import ReadDocuments
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.blocks.tap import Tap
from stages.text.dedup.page_hashes import text_hash, url_hash
from stages.text.rules.filters import QualityFilter, RepetitionFilter
from stages.text.rules.language import LanguageFilter
from stages.text.rules.lines import LineCorrection
from stages.text.rules.margin import used_margin
from stages.text.words.tokens import count_words
from stages.web.artifacts import MEASURES, PAGES
from stages.web.config import WebConfig
from stages.web.unit_pages import UnitPages


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Filter one unit."""
    config, source = task.config, task.fellows["extract"]
    pages = UnitPages(task, source)
    rows: list[tuple[int, int, int, float]] = []
    measures = MEASURES.load(source)
    gates = make_gates(config, pages.rejects)

    def note(doc: Document) -> None:
        page = page_data(doc)
        margin = used_margin(page["measures"], config.repetition, config.quality)
        rows.append((url_hash(page["url"]), text_hash(doc.text), count_words(doc.text), margin))

    reader = ReadDocuments(source / KINDS.documents.file, measures, task.progress)
    pages.run([reader, *gates, Tap("pages", note)], gates)
    PAGES.save(task.out, rows)
    return {"pages_in": len(measures), "pages_out": len(rows)}


def make_gates(config: WebConfig, rejects: Rejects | None = None) -> Sequence[PipelineStep]:
    """Return the rules in order, each a step of the funnel."""
    language = [LanguageFilter(config.language, rejects=rejects)] if config.language.position == "before" else []
    return [
        *language,
        RepetitionFilter(config.repetition, rejects),
        QualityFilter(config.quality, rejects),
        LineCorrection(config.lines, rejects),
    ]
