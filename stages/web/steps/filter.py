"""The `filter` step: the rules for language, repetition and quality, from stored measures, then line-wise correction.

The order is RefinedWeb's (arXiv:2306.01116, figure 2). Seconds a unit: this is how thresholds are tuned again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from datatrove.data import DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.formats.documents import read_documents
from stages.formats.funnel import read_funnel, write_funnel
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.web.blocks import step_count
from stages.web.config import WebConfig
from stages.web.executor import run_pipeline
from stages.web.language import LanguageFilter
from stages.web.lines import LineCorrection
from stages.web.pages import PAGE, PAGES, text_hash, url_hash
from stages.web.quality import QualityFilter
from stages.web.rejects import Rejects
from stages.web.repetition import RepetitionFilter
from stages.web.steps.extract import MEASURES_FILE
from stages.web.strain import strain
from stages.web.words import count_words
from stages.web.writer import ReadDocuments, WriteDocuments


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Filter one unit; write documents.jsonl.zst, pages.npy, rejects.jsonl.zst and funnel.json."""
    config = task.config
    source = task.fellows["extract"]
    rejects = Rejects(config.rejects_per_reason)
    for row in read_documents(source / KINDS.rejects.file):
        rejects.add(row["step"], row["reason"], row)
    measures = np.load(source / MEASURES_FILE, allow_pickle=False)
    blocks = make_blocks(config, rejects)
    pages = _Pages(config)
    reader = ReadDocuments(source / KINDS.documents.file, measures, task.progress)
    run_pipeline([reader, *blocks, pages, WriteDocuments(task.out / KINDS.documents.file)], task.work)
    np.save(task.out / PAGES, np.array(pages.rows, dtype=PAGE), allow_pickle=False)
    rejects.write(task.out / KINDS.rejects.file)
    write_funnel(task.out / KINDS.funnel.file, [*read_funnel(source / KINDS.funnel.file), *map(step_count, blocks)])
    return {"pages_in": len(measures), "pages_out": len(pages.rows)}


def make_blocks(config: WebConfig, rejects: Rejects | None = None) -> Sequence[PipelineStep]:
    """Return the rules in order, each a step of the funnel."""
    language = [LanguageFilter(config.language, rejects=rejects)] if config.language.position == "before" else []
    return [
        *language,
        RepetitionFilter(config.repetition, rejects),
        QualityFilter(config.quality, rejects),
        LineCorrection(config.lines, rejects),
    ]


class _Pages(PipelineStep):
    """Notes of every page what deduplication must know."""

    name = "pages"
    type = "pages"

    def __init__(self, config: WebConfig) -> None:
        super().__init__()
        self.rows: list[tuple[int, int, int, float]] = []
        self._config = config

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for doc in data:
            measures = doc.metadata["measures"]
            worst = strain(measures, self._config.repetition, self._config.quality)
            self.rows.append((url_hash(doc.metadata["url"]), text_hash(doc.text), count_words(doc.text), worst))
            yield doc
