"""The block that reads: WARC files in, pages of markup out."""

from __future__ import annotations

from collections.abc import Sequence

import xxhash
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.typeshelper import StatHints

from stages.shared.contract import InputFile
from stages.web.blocks import DROPPED, NOTE, count_passed
from stages.web.encoding import decode, is_text
from stages.web.markup import too_much
from stages.web.members import Stream
from stages.web.rejects import Rejects
from stages.web.source import opened
from stages.web.warc import Loss, Other, Page, read_warc

PLAIN = "plain"
"""Metadata of a page whose text is no markup, because it comes from a WET file."""

WIDE_WINDOW = 1000
"""Bytes in which markup in UTF-16 or UTF-32 shows itself by a zero."""


class WarcPages(PipelineStep):
    """Yields the HTML pages of some WARC files with `url`, `source` and `dump`; counts why others are not passed on."""

    name = "read"
    type = "📖 - READER"

    def __init__(self, files: Sequence[InputFile], max_page_mb: float = 8, rejects: Rejects | None = None) -> None:
        super().__init__()
        self.files = files
        self.max_bytes = int(max_page_mb * 1e6)
        self.rejects = rejects

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield what the blocks before yield, then the pages of all the files (ranks do not divide them)."""
        if data:
            yield from data
        for file in self.files:
            with opened(file) as stream:
                yield from self._read(stream, file)

    def _read(self, stream: Stream, file: InputFile) -> DocumentsPipeline:
        for item in read_warc(stream, file.path.name, self.max_bytes):
            if isinstance(item, Other):
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

    def _page(self, page: Page, source: str) -> Document | Loss:
        with self.track_time():
            text, how = decode(page.body, page.charset)
        if not is_text(text):
            return Loss("not_text", page.id, page.url)
        is_wide = b"\0" in page.body[:WIDE_WINDOW]
        if not page.is_plain and (reason := too_much(text.encode(errors="replace") if is_wide else page.body)):
            return Loss(reason, page.id, page.url)
        if how != "utf-8":
            self.stat_update(f"{NOTE}charset_{how}")
        name = page.id or xxhash.xxh3_128_hexdigest(page.url.encode() + page.body)
        metadata: dict[str, str | int] = {"url": page.url, "source": source, "dump": source}
        if how == "utf-8" and b"\0" not in page.body:
            metadata["bytes"] = len(page.body)  # as they would be counted
        if page.is_plain:
            metadata[PLAIN] = True
        return Document(text=text, id=name, metadata=metadata)

    def _drop(self, loss: Loss, source: str) -> None:
        self.stat_update(StatHints.dropped)
        self.stat_update(f"{DROPPED}{loss.reason}")
        if self.rejects:
            metadata = {"url": loss.url, "source": source, "dump": source, "filter_reason": loss.reason}
            self.rejects.of_step(self.name).write(Document(text="", id=loss.id, metadata=metadata))
