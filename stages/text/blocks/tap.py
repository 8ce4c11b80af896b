"""The block that calls a function with every page on its way."""

from __future__ import annotations

from collections.abc import Callable

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep


class Tap(PipelineStep):
    """Calls `look` with each page, then passes it on."""

    type = "tap"

    def __init__(self, name: str, look: Callable[[Document], None]) -> None:
        self.name = name
        super().__init__()
        self.look = look

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield every page after the call."""
        for doc in data:
            self.look(doc)
            yield doc
