"""The `documents` step: a unit's documents without those that count as another one."""

from __future__ import annotations

from typing import Any

from datatrove.data import Document

from stages.curated.distinct.duplicates import removed_reasons
from stages.curated.settings import CuratedSettings
from stages.formats.funnel import read_funnel, write_funnel
from stages.formats.kinds import KINDS
from stages.formats.tables import Tables
from stages.shared.task import Task
from stages.text.blocks.documents_io import ReadDocuments, WriteDocuments
from stages.text.blocks.executor import run_pipeline
from stages.text.blocks.gate import num_bytes, step_count
from stages.text.blocks.listed import ListedPages
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.blocks.tap import Tap


def run(task: Task[CuratedSettings]) -> dict[str, Any]:
    """Write one unit's documents."""
    source, (found,) = task.fellows["read"], task.steps["duplicates"]
    rejects, tables = Rejects(task.config.rejects_per_reason), Tables()
    rejects.add_file(source / KINDS.rejects.file)
    gate = ListedPages("dedup", removed_reasons(found, task.place), rejects)

    def keep(doc: Document) -> None:
        page = page_data(doc)
        tables.read(page["source"], page["language"])
        tables.kept(page["source"], page["language"], num_bytes(doc), page["token_count"] or 0)

    reader = ReadDocuments(source / KINDS.documents.file, progress=task.progress)
    run_pipeline([reader, gate, Tap("kept", keep), WriteDocuments(task.out / KINDS.documents.file)], task.work)
    funnel = [*read_funnel(source / KINDS.funnel.file), step_count(gate)]
    rejects.write(task.out / KINDS.rejects.file)
    tables.write(task.out / KINDS.tables.file)
    write_funnel(task.out / KINDS.funnel.file, funnel)
    last = funnel[-1]
    return {"items": funnel[0].pages_in, "documents": last.pages_out, "bytes": last.bytes, "tokens": last.tokens}
