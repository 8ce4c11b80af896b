"""Tools that a unit's texts may call. Each rank opens them and puts them on its requests: a tool is no plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from stages.formats.documents import read_documents
from stages.generate.calls import Calling
from stages.generate.requests import Request
from stages.generate.text import Codec
from stages.toolbox.box import Bounds, Toolbox
from stages.toolbox.tools import Tool, calculator, calendar, search

if TYPE_CHECKING:
    from stages.toolbox.search import SearchIndex

WITHHELD = "withheld"


@dataclass(frozen=True, kw_only=True)
class UnitTools:
    """Tools by name; none: they are withheld."""

    names: Sequence[str]
    index: SearchIndex | None
    codec: Codec
    identity: str
    """Of what answers depend on, besides the model and its prompts."""

    def on(self, request: Request, day: str) -> Request:
        """Return a request whose text may call the tools, on a date."""
        box = Toolbox([self._tool(name, day) for name in self.names], Bounds(seconds=0.0))
        run = (lambda call: box.inline(call).text) if self.names else None
        calling = Calling(codec=self.codec, run=run)
        return replace(request, hook=calling.hook, steer=calling.steer)

    def _tool(self, name: str, day: str) -> Tool:
        if name == "calculator":
            return calculator()
        if name == "calendar":
            return calendar(lambda: date.fromisoformat(day) if day else None)
        assert self.index is not None, "a search has documents: EvaluateConfig checks it"
        return search(self.index)


def open_tools(names: Sequence[str], corpus: Sequence[Path], passage_words: int, codec: Codec) -> UnitTools:
    """Return tools by name, with an index of the passages of `corpus` if there are documents to search."""
    passages, index = _index(corpus, passage_words) if corpus else ([], None)
    digest = hashlib.sha256("\n".join([*names, *passages]).encode("utf-8", "replace")).hexdigest()
    return UnitTools(names=names, index=index, codec=codec, identity=f"tools {digest}" if names else WITHHELD)


def _index(corpus: Sequence[Path], passage_words: int) -> tuple[Sequence[str], SearchIndex | None]:
    """Return the passages of documents, and their index; None: there are none."""
    from stages.toolbox.search import make_index, passages_of  # noqa: PLC0415  90 MB, which few evaluations use

    texts = (document["text"] for path in corpus for document in read_documents(path))
    passages = [*passages_of(texts, passage_words)]
    return passages, make_index(passages) if passages else None
