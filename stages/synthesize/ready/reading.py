"""Makes chats of one file of published data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stages.formats.chat.chats import Chat
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.published.files import read_records
from stages.formats.published.trees import trees
from stages.synthesize.config import ReadySettings
from stages.synthesize.ready.formats import conversations
from stages.synthesize.ready.turns import ordered


class ReadyFile:
    """One file, and the counts of what was read from it."""

    def __init__(self, path: Path, source: str, settings: ReadySettings) -> None:
        """`source` names the file in ids and provenance."""
        self._path, self._source, self._settings = path, source, settings
        self.records = 0
        self.rejects = Rejects()
        self.mended: Counter[str] = Counter()

    def chats(self) -> Iterator[Chat]:
        """Yield the chats in order of their records, and count the others."""
        for number, record in self._records():
            try:
                if isinstance(record, Reject):
                    raise record
                for place, turns in enumerate(conversations(record, self._settings)):
                    try:
                        yield self._chat(number, place, turns)
                    except Reject as reject:
                        self.rejects.add(reject, record=number)
            except Reject as reject:
                self.rejects.add(reject, record=number)

    def _chat(self, number: int, place: int, turns: Any) -> Chat:
        provenance = {"source": self._source, "format": self._settings.format, "record": number}
        name = f"{self._source}/{number}" + (f"/{place}" if place else "")
        return Chat(id=name, messages=ordered(turns, self.mended), provenance=provenance)

    def _records(self) -> Iterable[tuple[int, Any]]:
        records = self._counted()
        return trees(records) if self._settings.format == "oasst" else records

    def _counted(self) -> Iterator[tuple[int, Any]]:
        for number, record in read_records(self._path):
            self.records += 1
            yield number, record
