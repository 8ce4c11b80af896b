"""The `filter` step: a shard's WARC files in, the pages that pass every rule out, before deduplication.

The order is RefinedWeb's (arXiv:2306.01116, figure 2): what is cheap and drops much comes first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.shared.contract import Task
from stages.shared.documents import DOCUMENTS, REJECTS, DocumentWriter
from stages.shared.funnel import FUNNEL, write_funnel
from stages.web.blocklist import ut1
from stages.web.blocks import step_count
from stages.web.config import WebConfig, shard_files
from stages.web.executor import run_pipeline
from stages.web.extract import Extraction
from stages.web.language import LanguageFilter
from stages.web.lines import LineCorrection
from stages.web.quality import QualityFilter
from stages.web.reader import WarcPages
from stages.web.rejects import Rejects, to_row
from stages.web.repetition import RepetitionFilter
from stages.web.url import UrlFilter, load_lists


class WriteDocuments(PipelineStep):
    """Writes every document that arrives, in the documents format, and passes it on."""

    name = "write"
    type = "💽 - WRITER"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Write and yield the documents."""
        with DocumentWriter(self.path) as writer:
            for doc in data:
                writer.write(to_row(doc))
                yield doc


def run(task: Task) -> dict[str, Any]:
    """Filter one shard; write documents.jsonl.zst, rejects.jsonl.zst and funnel.json."""
    config: WebConfig = task.config
    rejects = Rejects(config.rejects_per_reason)
    blocks = make_blocks(task, config, rejects)
    progress = _Progress(task)
    run_pipeline([blocks[0], progress, *blocks[1:], WriteDocuments(task.out / DOCUMENTS)], task.work)
    rejects.write(task.out / REJECTS)
    funnel = [step_count(block) for block in blocks]
    write_funnel(task.out / FUNNEL, funnel)
    return {"pages_in": funnel[0].pages_in, "pages_out": funnel[-1].pages_out}


def make_blocks(task: Task, config: WebConfig, rejects: Rejects) -> list[PipelineStep]:
    """Return the chain, each block a step of the funnel."""
    files = shard_files(task.inputs["inputs"], config.files_per_shard)[task.shard]
    domains = ut1(task.work) if config.url.domains == "ut1" else ()
    lists = load_lists(task.inputs.get("url_lists", ()), domains)
    models = task.inputs.get("language_model", ())
    return [
        WarcPages(files, config.read.max_page_mb, rejects),
        UrlFilter(lists, config.url.min_soft_words, rejects),
        Extraction(config.extraction, rejects),
        LanguageFilter(config.language, models[0].path if models else None, rejects),
        RepetitionFilter(config.repetition, rejects),
        QualityFilter(config.quality, rejects),
        LineCorrection(config.lines, rejects),
    ]


class _Progress(PipelineStep):
    """Tells the launcher how many pages were read."""

    name = "progress"
    type = "progress"

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._report = task.progress

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for count, doc in enumerate(data, start=1):
            self._report(count)
            yield doc
