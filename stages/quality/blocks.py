"""Datatrove blocks: the score of a document by a fastText classifier, the gate below a threshold, masks of PII."""

from __future__ import annotations

from pathlib import Path

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.formatters.pii import PIIFormatter, PIIReplacer

from stages.quality.config import PiiSettings
from stages.quality.features import plain, split
from stages.shared.errors import DataError
from stages.text.blocks.gate import Gate
from stages.text.blocks.rejects import Rejects
from stages.text.rules.language import load_model

QUALITY = "quality"
"""Field of a document that holds its score."""
PHONE = (
    r"(?<![\w.+-])(?:"
    r"\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){1,4}"  # +49 30 1234567
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}"  # (212) 555-0123
    r"|\d{3}[.-]\d{3}[.-]\d{4}"  # 212-555-0123
    r"|1[3-9]\d[ -]?\d{4}[ -]?\d{4}"  # a mobile in China: 138 0013 8000
    r"|0\d{2,3}-\d{7,8}"  # a landline in China: 010-12345678
    r")(?![\w-])"
)
"""Telephone numbers with a plus, brackets, or their country's grouping. A bare run of digits is none."""


class QualityScore(PipelineStep):
    """Gives each document the probability of a label, in the field `quality`. Drops none."""

    name = "score"
    type = "🏅 - QUALITY"

    def __init__(self, model: Path, label: str, *, is_ours: bool) -> None:
        """Take a model of fastText; `is_ours`: it reads words with spaces between them, in any script."""
        super().__init__()
        self.model, self.label = load_model(model), label
        self.line = split if is_ours else plain
        if not is_ours:
            self._require_label(model)

    def _require_label(self, model: Path) -> None:
        labels = sorted(self.model.predict("the", k=-1)[0])
        if self.label not in labels:
            raise DataError(model, f"no label {self.label!r}, but {labels[:5]}", "Set `label` to one of these")

    def score(self, text: str) -> float:
        """Return a text's score."""
        return self.of_line(self.line(text.encode("utf-8", "replace").decode()))

    def of_line(self, line: str) -> float:
        """Return the score of a text in one line, rounded so that files do not depend on the last bits."""
        found = self.model.predict(line, k=-1)
        values = dict(zip(*found, strict=True)) if found else {}
        return round(min(1.0, max(0.0, float(values.get(self.label, 0.0)))), 4)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield every document with its score."""
        for doc in data:
            doc.metadata[QUALITY] = self.score(doc.text)
            yield doc


class QualityGate(Gate):
    """Drops documents whose score is below a threshold."""

    name = "quality_model"

    def __init__(self, threshold: float, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.threshold = threshold

    def reason(self, doc: Document) -> str | None:
        """Return `low_quality` or None."""
        return "low_quality" if doc.metadata[QUALITY] < self.threshold else None


class Pii(PIIFormatter):
    """Datatrove's masks of mail and public IP addresses, and ours of telephone numbers. One mask for each kind."""

    name = "pii"

    def __init__(self, settings: PiiSettings) -> None:
        super().__init__(settings.emails, settings.ips, True, settings.email, settings.ip)
        self.remove_phones, self.phones_replacer = settings.phones, PIIReplacer(PHONE, settings.phone)
        self.masked: dict[str, int] = {}
        """Masks so far, by kind."""

    def format(self, text: str) -> str:
        """Return a text with masks."""
        kinds = {"emails": self.remove_emails, "ips": self.remove_ips, "phones": self.remove_phones}
        replacers = {"emails": self.emails_replacer, "ips": self.ip_replacer, "phones": self.phones_replacer}
        for kind, is_masked in kinds.items():
            if is_masked:
                text = self._masked(kind, replacers[kind], text)
        return text

    def _masked(self, kind: str, replacer: PIIReplacer, text: str) -> str:
        is_one = replacer.validator or (lambda found: True)
        count = sum(bool(is_one(found.group(0))) for found in replacer.regex.finditer(text))
        self.masked[kind] = self.masked.get(kind, 0) + count
        return str(replacer.replace(text)) if count else text
