"""The block that reads: WARC files in, pages of markup out."""

from __future__ import annotations

from collections.abc import Sequence

import xxhash
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.typeshelper import StatHints

from stages.shared.contract import InputFile
from stages.text.blocks.gate import DROPPED, NOTE, count_passed
from stages.text.blocks.page_data import PageData
from stages.text.blocks.rejects import Rejects
from stages.web.read.encoding import decode, is_text
from stages.web.read.markup_limits import broken_limit
from stages.web.read.open_input import open_input
from stages.web.read.parts import Stream
from stages.web.read.warc import LostPage, OtherRecord, Page, read_warc

WIDE_WINDOW = 1000
"""Bytes within which markup in UTF-16 or UTF-32 has a zero."""


class WarcPages(PipelineStep):
    """Yields the HTML pages of some WARC files with URL, source and dump; counts the reasons of all other records."""

    name = "read"
    type = "📖 - READER"

    def __init__(self, files: Sequence[InputFile], max_page_mb: float = 8, rejects: Rejects | None = None) -> None:
        super().__init__()
        self.files = files
        self.max_bytes = int(max_page_mb * 1e6)
        self.rejects = rejects

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield the pages of the blocks before, then the pages of all the files (ranks do not divide them)."""
        if data:
            yield from data
        for file in self.files:
            with open_input(file) as stream:
                yield from self._read(stream, file)

    def _read(self, stream: Stream, file: InputFile) -> DocumentsPipeline:
        for item in read_warc(stream, file.path.name, self.max_bytes):
            if isinstance(item, OtherRecord):
                self.stat_update(f"{NOTE}record_{item.record_type}")
                continue
            self.stat_update(StatHints.total)
            page = self._page(item, file.source) if isinstance(item, Page) else item
            if isinstance(page, Document):
                self.stat_update(StatHints.forwarded)
                count_passed(self, page)
                yield page
            else:
                self._drop(page, file.source)

    def _page(self, page: Page, source: str) -> Document | LostPage:
        with self.track_time():
            text, how = decode(page.body, page.charset)
        if not is_text(text):
            return LostPage("not_text", page.id, page.url)
        is_wide = b"\0" in page.body[:WIDE_WINDOW]
        if not page.is_plain and (reason := broken_limit(text.encode(errors="replace") if is_wide else page.body)):
            return LostPage(reason, page.id, page.url)
        if how != "utf-8":
            self.stat_update(f"{NOTE}charset_{how}")
        name = page.id or xxhash.xxh3_128_hexdigest(page.url.encode() + page.body)
        metadata = PageData(url=page.url, source=source, dump=source, is_plain=page.is_plain)
        if how == "utf-8" and b"\0" not in page.body:
            metadata["bytes"] = len(page.body)  # equal to the bytes of the text
        return Document(text=text, id=name, metadata=dict(metadata))

    def _drop(self, lost: LostPage, source: str) -> None:
        self.stat_update(StatHints.dropped)
        self.stat_update(f"{DROPPED}{lost.reason}")
        if self.rejects:
            metadata = PageData(url=lost.url, source=source, dump=source, filter_reason=lost.reason)
            self.rejects.of_step(self.name).write(Document(text="", id=lost.id, metadata=dict(metadata)))
