"""The step that reads a source: its items become documents, rejects, a funnel and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.typeshelper import StatHints

from stages.curated.items import Damaged, Dropped, Found, Item
from stages.curated.settings import CuratedSettings
from stages.formats.funnel import Funnel, write_funnel
from stages.formats.kinds import KINDS
from stages.formats.tables import Tables
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.text.blocks.documents_io import WriteDocuments
from stages.text.blocks.executor import run_pipeline
from stages.text.blocks.gate import DROPPED, NOTE, Gate, count_passed, num_bytes, step_count
from stages.text.blocks.page_data import PageData, page_data
from stages.text.blocks.rejects import Rejects
from stages.text.blocks.tap import Tap
from stages.text.rules.language import LanguageFilter
from stages.text.words.tokens import count_tokens

Settings = TypeVar("Settings", bound=CuratedSettings)
REPORTED = 100
"""Items after which progress is reported."""


class ReadItems(PipelineStep):
    """Yields the texts of a source as documents; counts the reasons of all other items."""

    name = "read"
    type = "📖 - READER"

    def __init__(self, items: Iterable[Found], file: InputFile, rejects: Rejects, min_chars: int = 1) -> None:
        super().__init__()
        self.items, self.file, self.rejects, self.min_chars = items, file, rejects, min_chars

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield the documents of the blocks before, then those of the source."""
        if data:
            yield from data
        for each in self.items:
            found = self._checked(each)
            if isinstance(found, Dropped):
                self._drop(found)
                continue
            self.stat_update(StatHints.total, StatHints.forwarded)
            doc = self._document(found)
            count_passed(self, doc)
            yield doc

    def _checked(self, found: Found) -> Found:
        if isinstance(found, Dropped) or len(found.text) >= self.min_chars:
            return found
        return Dropped(reason="too_short" if found.text else "no_text", id=found.id, url=found.url, text=found.text)

    def _document(self, item: Item) -> Document:
        source = item.source or self.file.source
        page = PageData(url=item.url, source=source, dump=self.file.source, token_count=count_tokens(item.text))
        if item.language:
            page["language"], page["language_score"] = item.language, item.language_score
        if item.licence:
            page["licence"] = item.licence
        if item.date:
            page["date"] = item.date
        return Document(text=item.text, id=item.id, metadata=dict(page))

    def _drop(self, found: Dropped) -> None:
        self.stat_update(StatHints.total, StatHints.dropped, f"{DROPPED}{found.reason}", value=found.count)
        row = {"id": found.id, "url": found.url, "text": found.text, "source": self.file.source}
        self.rejects.add(
            self.name, found.reason, row | {"dump": self.file.source, "language": "", "language_score": 0.0}
        )

    def note(self, name: str, count: int = 1) -> None:
        """Count something else that happened to items that pass."""
        self.stat_update(f"{NOTE}{name}", value=count)


class KnownLanguage(LanguageFilter):
    """Drops unwanted languages; a programming language is always wanted."""

    def reason(self, doc: Document) -> str | None:
        """Return the reason of LanguageFilter for a language that its model knows."""
        page = page_data(doc)
        if "language" in page:
            wanted = self.settings.languages
            return None if wanted is None or page["language"] in wanted else "other_language"
        return super().reason(doc)


def read_unit(
    task: Task[Settings],
    items: Iterable[Found],
    gates: Sequence[Gate] = (),
    watch: Callable[[Document], None] | None = None,
) -> dict[str, Any]:
    """Write the documents of one unit and everything that is counted of it; `watch` sees each document that is kept.

    Raises DataError for a file that holds no item of the source at all.
    """
    config = task.config
    (file,) = task.inputs["files"]
    rejects, tables = Rejects(config.rejects_per_reason), Tables()
    reader = ReadItems(items, file, rejects, config.min_chars)
    language = KnownLanguage(config.language, rejects=rejects)
    for gate in gates:
        gate.exclusion_writer = rejects.of_step(gate.name)
    count = 0

    def keep(doc: Document) -> None:
        nonlocal count
        page = page_data(doc)
        tables.read(page["source"], page["language"])
        tables.kept(page["source"], page["language"], num_bytes(doc), page["token_count"] or 0)
        if watch:
            watch(doc)
        count += 1
        if count % REPORTED == 0:
            task.progress(count)

    blocks: list[PipelineStep] = [reader, language, *gates]
    run_pipeline([*blocks, Tap("kept", keep), WriteDocuments(task.out / KINDS.documents.file)], task.work)
    funnel: Funnel = [step_count(block) for block in blocks]
    check_found(file.path, funnel)
    rejects.write(task.out / KINDS.rejects.file)
    tables.write(task.out / KINDS.tables.file)
    write_funnel(task.out / KINDS.funnel.file, funnel)
    last = funnel[-1]
    return {"items": funnel[0].pages_in, "documents": last.pages_out, "bytes": last.bytes, "tokens": last.tokens}


WHOLE_FILE = ("truncated_file", "damaged_part", "unreadable_file")
"""Reasons that stand for a place of the file, not for an item."""


def check_found(path: Path, funnel: Funnel) -> None:
    """Raise DataError for a file without one item: it is of another format."""
    read = funnel[0]
    if read.pages_in == sum(read.reasons.get(reason, 0) for reason in WHOLE_FILE):
        problem = f"holds no item of this source ({read.reasons})" if read.pages_in else "holds no item of this source"
        raise DataError(path, problem, "Take the file out of `files`, or name the stage that reads it")


def damage_of(problem: Damaged, path: Path) -> Dropped:
    """Return a damage of a file as an item that is dropped."""
    return Dropped(reason=problem.reason, id=path.name, text=str(problem))
