"""The `documents` step: a unit's filtered pages after deduplication, the whole funnel, a sample of rejects.

The gates are in the paper's order (arXiv:2306.01116, figure 2): near duplicates, exact substrings, URLs seen, and
language where it is judged after deduplication. A step that is switched off is not in the funnel. Writes the artifact
KEPT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from stages.formats.kinds import KINDS
from stages.formats.tables import read_tables
from stages.shared.task import Task
from stages.text.blocks.documents_io import ReadDocuments
from stages.text.blocks.gate import num_bytes
from stages.text.blocks.listed import ListedPages
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.blocks.tap import Tap
from stages.text.exact.cut_ranges import SubstringCut
from stages.text.rules.language import LanguageFilter
from stages.web.artifacts import KEPT
from stages.web.config import WebConfig
from stages.web.page_numbers import first_numbers
from stages.web.unit_findings import UnitFindings
from stages.web.unit_pages import UnitPages
from stages.web.urls.hosts import host_of


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Write one unit's documents."""
    source = task.fellows["filter"]
    pages = UnitPages(task, source)
    kept: list[int] = []
    tables = read_tables(task.fellows["extract"] / KINDS.tables.file)
    gates = make_gates(task, pages.rejects)

    def note(doc: Document) -> None:
        page = page_data(doc)
        kept.append(page["number"])
        tables.kept(host_of(page["url"]), page["language"], num_bytes(doc), page["token_count"] or 0)

    reader = ReadDocuments(source / KINDS.documents.file, progress=task.progress)
    funnel = pages.run([reader, *gates, Tap("kept", note)], gates)
    KEPT.save(task.out, kept)
    tables.write(task.out / KINDS.tables.file)
    last = funnel[-1]
    return {"pages_in": funnel[0].pages_in, "documents": last.pages_out, "bytes": last.bytes, "tokens": last.tokens}


def make_gates(task: Task[WebConfig], rejects: Rejects | None = None) -> Sequence[PipelineStep]:
    """Return the blocks that may still drop or change a page, each a step of the funnel."""
    config = task.config
    gates: list[PipelineStep] = []
    if task.steps:
        findings = UnitFindings(task, first_numbers(task.steps), task.place)
        if config.dedup.enabled:
            gates.append(ListedPages("dedup", findings.removed_reasons(), rejects))
        if config.exact.enabled:
            gates.append(SubstringCut(findings.ranges(), set(findings.too_short().tolist()), rejects))
        if config.url_dedup.enabled:
            gates.append(ListedPages("urls", findings.url_reasons(), rejects))
    if config.language.position == "after":
        gates.append(LanguageFilter(config.language, rejects=rejects))
    return gates
