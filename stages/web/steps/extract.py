"""The `extract` step: reads a unit's WARC files; writes the pages' main texts with their language and measures.

Nearly all of the stage's time is spent here. Therefore no threshold of the rules is applied yet: `filter` applies them
to the stored measures, and a changed threshold never extracts a page again.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from stages.formats.funnel import StepCount
from stages.formats.kinds import KINDS
from stages.formats.tables import Tables
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.blocks.tap import Tap
from stages.text.rules.language import LanguageLabel
from stages.text.rules.measures import Measure
from stages.web.artifacts import MEASURES
from stages.web.config import WebConfig
from stages.web.extract.block import Extraction
from stages.web.extract.preview import Preview
from stages.web.read.reader import WarcPages
from stages.web.read.warc import UNREADABLE
from stages.web.unit_pages import UnitPages
from stages.web.urls.blocklist import ut1
from stages.web.urls.filter import UrlFilter
from stages.web.urls.hosts import host_of
from stages.web.urls.lists import load_lists


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Extract one unit."""
    pages, notes = UnitPages(task), _Notes(task)
    first, *gates = make_gates(task, pages.rejects)
    labels = [
        LanguageLabel(task.config.language, model_file(task)),
        Measure(task.config.quality.stop_words),
        Tap("store", notes.keep_measures),
    ]
    funnel = pages.run([first, Tap("watch", notes.count_read), *gates, *labels], [first, *gates])
    check_readable(task.inputs["inputs"], funnel[0])
    MEASURES.save(task.out, notes.measures)
    notes.tables.write(task.out / KINDS.tables.file)
    return {"pages_in": funnel[0].pages_in, "pages_out": funnel[-1].pages_out}


def check_readable(files: Sequence[InputFile], read: StepCount) -> None:
    """Raise DataError if none of a unit's files is an archive: another run of the unit would find no page either."""
    if read.pages_in == read.reasons.get(UNREADABLE, 0) == len(files):
        names = ", ".join(file.where for file in files)
        raise DataError(
            names, "no WARC or WET record in the whole unit", "Take the files out of inputs, or fetch them again"
        )


def make_gates(task: Task[WebConfig], rejects: Rejects) -> Sequence[PipelineStep]:
    """Return the reader and the blocks that may drop a page, each a step of the funnel."""
    config, files = task.config, task.inputs["inputs"]
    domains: Container[str] = ut1(task.work) if config.url.domains == "ut1" else ()
    lists = load_lists(task.inputs.get("url_lists", ()), domains)
    early = [WarcPages(files, config.read.max_page_mb, rejects), UrlFilter(lists, config.url.min_soft_words, rejects)]
    if config.extraction.has_preview:
        languages = config.language.languages if config.language.position == "before" else None
        early.append(Preview(config.extraction.gates, languages, model_file(task), rejects))
    return [*early, Extraction(config.extraction, rejects, model_file(task))]


def model_file(task: Task[WebConfig]) -> Path | None:
    """Return the path of the user's language model, or None."""
    models = task.inputs.get("language_model", ())
    return models[0].path if models else None


class _Notes:
    """Counts the pages that were read, and keeps the measures of those that were extracted."""

    def __init__(self, task: Task[WebConfig]) -> None:
        self.tables = Tables()
        self.measures: list[np.void] = []
        self._progress = task.progress
        self._num_read = 0

    def count_read(self, doc: Document) -> None:
        self._num_read += 1
        self._progress(self._num_read)
        self.tables.read(host_of(page_data(doc)["url"]))

    def keep_measures(self, doc: Document) -> None:
        page = page_data(doc)
        self.measures.append(page["measures"])
        self.tables.identified(page["language"])
