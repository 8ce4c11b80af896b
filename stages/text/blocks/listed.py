"""The gate that drops the pages that an earlier step has listed."""

from __future__ import annotations

from collections.abc import Mapping

from datatrove.data import Document

from stages.text.blocks.gate import Gate
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects


class ListedPages(Gate):
    """Drops pages by their number, each with the reason that the list gives."""

    def __init__(self, name: str, reasons: Mapping[int, str], rejects: Rejects | None = None) -> None:
        self.name = name
        super().__init__(rejects)
        self.reasons = reasons

    def reason(self, doc: Document) -> str | None:
        """Return the listed reason."""
        return self.reasons.get(page_data(doc)["number"])
