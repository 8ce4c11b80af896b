"""The `extract` step: a unit's WARC files in; out come the pages' main texts with their language and their measures.

Nearly all of the stage's time is spent here, so no threshold of the rules is applied yet: `filter` does that from what
is stored, and a changed threshold never extracts a page again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.formats.funnel import write_funnel
from stages.formats.kinds import KINDS
from stages.formats.tables import Tables
from stages.shared.task import Task
from stages.web.blocklist import ut1
from stages.web.blocks import step_count
from stages.web.config import WebConfig
from stages.web.executor import run_pipeline
from stages.web.extract import Extraction
from stages.web.language import LanguageLabel
from stages.web.measures import MEASURES, Measure
from stages.web.preview import Preview
from stages.web.reader import WarcPages
from stages.web.rejects import Rejects
from stages.web.url import UrlFilter, load_lists
from stages.web.writer import WriteDocuments

MEASURES_FILE = "measures.npy"


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Extract one unit; write documents.jsonl.zst, measures.npy, rejects.jsonl.zst, funnel.json and tables.json."""
    config = task.config
    rejects = Rejects(config.rejects_per_reason)
    gates = make_gates(task, rejects)
    watch = _Watch(task)
    store = _Store(watch.tables)
    marks = [LanguageLabel(config.language, model_file(task)), Measure(config.quality.stop_words), store]
    run_pipeline([gates[0], watch, *gates[1:], *marks, WriteDocuments(task.out / KINDS.documents.file)], task.work)
    np.save(task.out / MEASURES_FILE, np.array(store.rows, dtype=MEASURES), allow_pickle=False)
    rejects.write(task.out / KINDS.rejects.file)
    watch.tables.write(task.out / KINDS.tables.file)
    funnel = [step_count(block) for block in gates]
    write_funnel(task.out / KINDS.funnel.file, funnel)
    return {"pages_in": funnel[0].pages_in, "pages_out": funnel[-1].pages_out}


def make_gates(task: Task[WebConfig], rejects: Rejects) -> Sequence[PipelineStep]:
    """Return the blocks that may drop a page, each a step of the funnel."""
    config, files = task.config, task.inputs["inputs"]
    domains = ut1(task.work) if config.url.domains == "ut1" else ()
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


class _Watch(PipelineStep):
    """Tells the launcher how many pages were read, and counts them by host."""

    name = "watch"
    type = "watch"

    def __init__(self, task: Task[WebConfig]) -> None:
        super().__init__()
        self._report = task.progress
        self.tables = Tables()

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for count, doc in enumerate(data, start=1):
            self._report(count)
            self.tables.read(host(doc))
            yield doc


class _Store(PipelineStep):
    """Keeps the measures of the pages that were extracted, and counts their languages."""

    name = "store"
    type = "store"

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self.rows: list[Any] = []
        self._tables = tables

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for doc in data:
            self.rows.append(doc.metadata["measures"])
            self._tables.identified(doc.metadata["language"])
            yield doc


def host(doc: Document) -> str:
    """Return the host of a page, as the table of hosts lists it; empty for an address that has none."""
    try:
        return (urlsplit(doc.metadata["url"]).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
