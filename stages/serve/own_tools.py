"""The tools that the server itself runs, and the index that its search reads.

An index is built once for its documents, in a folder whose name is their digest, and is reused from then on.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from tempfile import mkdtemp

from stages.formats.documents import read_documents
from stages.serve.config import ServeConfig
from stages.toolbox.box import Bounds, Toolbox
from stages.toolbox.search import make_index, open_index, passages_of
from stages.toolbox.tools import Tool, calculator, calendar, search


def open_toolbox(config: ServeConfig, corpus: Sequence[Path], folder: Path) -> Toolbox:
    """Return the tools of the settings. Side effect: a search's index is written into `folder` if it is not there."""
    makers: dict[str, Callable[[], Tool]] = {
        "calculator": calculator,
        "calendar": lambda: calendar(date.today),
        "search": lambda: search(open_index(_index(corpus, config.passage_words, folder))),
    }
    limits = config.limits
    bounds = Bounds(result_chars=limits.tool_result_chars, seconds=limits.tool_seconds)
    return Toolbox([makers[name]() for name in config.toolbox], bounds)


def _index(corpus: Sequence[Path], passage_words: int, folder: Path) -> Path:
    """Return the folder of the index of a corpus."""
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in corpus]
    done = folder / hashlib.sha256(repr((stats, passage_words)).encode()).hexdigest()[:16]
    if not done.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(prefix=".index-", dir=folder))
        texts = (document["text"] for path in corpus for document in read_documents(path))
        make_index([*passages_of(texts, passage_words)]).save(aside)
        try:
            aside.rename(done)
        except OSError:  # another server was faster
            shutil.rmtree(aside)
    return done
