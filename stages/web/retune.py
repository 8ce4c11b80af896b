"""What other thresholds would keep: a run's stored measures are judged twice, with its settings and with others.

Seconds for millions of pages, because no text is read. Line-wise correction and deduplication, which need the text,
come after these rules and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.web import language, quality, repetition
from stages.web.config import WebConfig
from stages.web.measures import MEASURES
from stages.web.rules import Rows
from stages.web.settings import LanguageSettings
from stages.web.steps.extract import MEASURES_FILE

STEPS = ("language", "repetition", "quality")


@dataclass
class Verdict:
    """What some thresholds do to the extracted pages."""

    pages: int = 0
    kept: int = 0
    tokens: int = 0
    """Tokens of the kept pages."""
    dropped: dict[tuple[str, str], int] = field(default_factory=dict)
    """Pages by (step, reason); a page counts for the first rule that it breaks."""

    def add(self, rows: Rows, config: WebConfig) -> None:
        """Judge some pages."""
        reasons = judge(rows, config)
        is_kept = reasons == ""
        self.pages += len(rows)
        self.kept += int(is_kept.sum())
        self.tokens += int(rows["tokens"][is_kept].sum())
        for name, count in zip(*np.unique(reasons[~is_kept], return_counts=True), strict=True):
            step, _, reason = str(name).partition(" ")
            self.dropped[step, reason] = self.dropped.get((step, reason), 0) + int(count)


def compare(shards: Iterable[Path], before: WebConfig, after: WebConfig) -> tuple[Verdict, Verdict]:
    """Return what two settings do to the pages in these shard folders of the `extract` step."""
    verdicts = Verdict(), Verdict()
    for rows in _rows(shards):
        for verdict, config in zip(verdicts, (before, after), strict=True):
            verdict.add(rows, config)
    return verdicts


def _rows(shards: Iterable[Path]) -> Iterator[npt.NDArray[Any]]:
    for shard in shards:
        rows = np.load(shard / MEASURES_FILE, allow_pickle=False)
        if rows.dtype != MEASURES:
            raise ValueError(f"{shard / MEASURES_FILE} was measured by another version of this code")
        yield rows


def judge(rows: Rows, config: WebConfig) -> npt.NDArray[np.str_]:
    """Return `step reason` for each row, of the first rule that it breaks; an empty string for those that pass."""
    reasons = np.zeros(len(rows), dtype="U48")
    found = {
        "language": _languages(rows, config.language) if config.language.position == "before" else None,
        "repetition": repetition.broken_rules(rows, config.repetition),
        "quality": quality.broken_rules(rows, config.quality),
    }
    for step in STEPS:
        names = found[step]
        if names is not None:
            places = (reasons == "") & (names != "")
            reasons[places] = np.char.add(f"{step} ", names[places])
    return reasons


def _languages(rows: Rows, settings: LanguageSettings) -> npt.NDArray[np.str_]:
    """Return what the language rule says of each row."""
    codes, which = np.unique(rows["language"], return_inverse=True)
    names = [code.decode() for code in codes.tolist()]
    least = np.array([language.min_score(name, settings) for name in names])
    wanted = np.array([settings.languages is None or name in settings.languages for name in names], dtype=bool)
    found = np.where(wanted[which], "", "other_language") if names else np.zeros(0, "U14")
    # The stored score is a float32: compared as the four digits that the filter sees.
    return np.where(np.round(rows["language_score"].astype(float), 4) < least[which], "low_score", found)
