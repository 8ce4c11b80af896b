"""The tool `tune`: judges a run's stored measures with its thresholds and with others, and compares the pages kept.

Takes seconds for millions of pages, because it reads no text. Steps that need the text are not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.shared.contract import Section
from stages.shared.errors import ConfigError
from stages.shared.tool import ToolCall, ToolTable
from stages.text.compiled.arrays import Records
from stages.text.rules.filters import broken_rules
from stages.text.rules.language import min_score
from stages.text.settings import LanguageSettings
from stages.web.artifacts import MEASURES
from stages.web.config import WebConfig
from stages.web.plan import extraction_settings

STEPS = ("language", "repetition", "quality")
JUDGED = (*STEPS, "inputs", "language_model", "url_lists", "seen")
"""Fields whose settings change the numbers, or cannot differ."""
NOT_JUDGED = (
    "lines: line-wise correction needs the text",
    "dedup, substrings, urls: deduplication compares the pages that pass these rules",
    "language after deduplication (language.position: after)",
)
"""Steps that come after the judged rules."""


@dataclass
class ThresholdOutcome:
    """The effect of some thresholds on the extracted pages."""

    pages: int = 0
    kept: int = 0
    tokens: int = 0
    """Tokens of the kept pages."""
    dropped: dict[tuple[str, str], int] = field(default_factory=dict)
    """Pages by (step, reason); a page counts for the first rule that it breaks."""

    def add(self, rows: Records, config: WebConfig) -> None:
        """Judge some pages."""
        reasons = judge(rows, config)
        is_kept = reasons == ""
        self.pages += len(rows)
        self.kept += int(is_kept.sum())
        self.tokens += int(rows["tokens"][is_kept].sum())
        for name, count in zip(*np.unique(reasons[~is_kept], return_counts=True), strict=True):
            step, _, reason = str(name).partition(" ")
            self.dropped[step, reason] = self.dropped.get((step, reason), 0) + int(count)


@dataclass(frozen=True)
class Change:
    """One row of the comparison: a count with the run's thresholds and with the others."""

    step: str
    name: str
    """Reason of dropped pages; `pages` or `tokens` for the step `kept`."""
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class ThresholdComparison:
    """The comparison of two configs of one section, ready to show."""

    pages: int
    """Extracted pages that were judged."""
    units: int
    """Finished units that they come from."""
    of_units: int
    """All units of the step."""
    changes: tuple[Change, ...]
    """Dropped pages by step and reason in the order of the steps, then the kept pages and tokens."""
    not_judged: tuple[str, ...]
    without_effect: tuple[str, ...]
    """Settings that differ and that belong to steps that are not judged."""


def run(before: WebConfig, after: WebConfig, units: Sequence[Path], of_units: int) -> ThresholdComparison:
    """Return the comparison on the finished units of `extract`, given their folders and the number of all units.

    Raises ConfigError if `after` has other settings of extraction: its pages must be extracted again.
    """
    check_same_extraction(before, after)
    outcomes = compare(units, before, after)
    rules = sorted({rule for outcome in outcomes for rule in outcome.dropped}, key=_order)
    dropped = [Change(*rule, *(outcome.dropped.get(rule, 0) for outcome in outcomes)) for rule in rules]
    pages = Change("kept", "pages", *(outcome.kept for outcome in outcomes))
    tokens = Change("kept", "tokens", *(outcome.tokens for outcome in outcomes))
    is_after = "after" in (before.language.position, after.language.position)
    return ThresholdComparison(
        pages=outcomes[0].pages,
        units=len(units),
        of_units=of_units,
        changes=(*dropped, pages, tokens),
        not_judged=NOT_JUDGED if is_after else NOT_JUDGED[:-1],
        without_effect=tuple(sorted(changed_settings(before, after, JUDGED))),
    )


def tune(call: ToolCall) -> list[ToolTable]:
    """Compare what the run keeps with what the caller's settings would keep: the verb `tune`.

    Raises ConfigError if no unit of `extract` has finished, or as `run` does.
    """
    units = call.done["extract"]
    if not units:
        raise ConfigError("inputs", call.config.inputs, "extracted in at least one unit before it can be judged")
    found = run(call.config, call.changed, units, call.num_units["extract"])
    rows = tuple(
        (each.step, each.name, f"{each.before:,}", f"{each.after:,}", _signed(each.after - each.before))
        for each in found.changes
    )
    advice = f"`{call.command}` filters again with these settings; nothing is extracted again."
    if not call.changes:
        advice = f"Give other thresholds to compare, such as --set {call.section}.quality.min_words=80."
    notes = ["not judged: " + "; ".join(found.not_judged)]
    if found.without_effect:
        names = ", ".join(f"{call.section}.{name}" for name in found.without_effect)
        notes.append(f"without effect on these numbers: {names}; `launch.py run` shows it")
    return [
        ToolTable(
            title=f"{call.section}: {found.pages:,} extracted pages of {found.units} of {found.of_units} units",
            columns=("step", "reason", "now", "then", "change"),
            left=2,
            rows=rows,
            notes=(*notes, advice),
        )
    ]


def _signed(difference: int) -> str:
    return f"{difference:+,}" if difference else ""


def changed_settings(before: WebConfig, after: WebConfig, known: Sequence[str]) -> Iterator[str]:
    """Yield the settings, outside of the `known` fields, in which the configs differ."""
    for name in WebConfig.model_fields.keys() - {*known}:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Section):
            yield from (f"{name}.{each}" for each in type(old).model_fields if getattr(old, each) != getattr(new, each))
        elif old != new:
            yield name


def check_same_extraction(before: WebConfig, after: WebConfig) -> None:
    """Raise ConfigError for the first setting of extraction in which the configs differ."""
    for name in sorted({*extraction_settings(before), *extraction_settings(after)}):
        value = _setting(after, name)
        if value != _setting(before, name):
            raise ConfigError(name, value, "as it was in the run: with another value, pages must be extracted again")


def compare(units: Iterable[Path], before: WebConfig, after: WebConfig) -> tuple[ThresholdOutcome, ThresholdOutcome]:
    """Return the effects of two configs on the pages in these unit folders of the `extract` step.

    Raises DataError for measures of another version of the code.
    """
    outcomes = ThresholdOutcome(), ThresholdOutcome()
    for unit in units:
        rows = MEASURES.load(unit)
        for outcome, config in zip(outcomes, (before, after), strict=True):
            outcome.add(rows, config)
    return outcomes


def judge(rows: Records, config: WebConfig) -> npt.NDArray[np.str_]:
    """Return `step reason` for each row, of the first rule that it breaks; an empty string for those that pass."""
    reasons = np.zeros(len(rows), dtype="U48")
    found = {
        "language": _broken_language(rows, config.language) if config.language.position == "before" else None,
        "repetition": broken_rules(rows, config.repetition),
        "quality": broken_rules(rows, config.quality),
    }
    for step in STEPS:
        names = found[step]
        if names is not None:
            places = (reasons == "") & (names != "")
            reasons[places] = np.char.add(f"{step} ", names[places])
    return reasons


def _broken_language(rows: Records, settings: LanguageSettings) -> npt.NDArray[np.str_]:
    """Return `language.broken_rule` for each row."""
    codes, which = np.unique(rows["language"], return_inverse=True)
    names = [code.decode() for code in codes.tolist()]
    least = np.array([min_score(name, settings) for name in names])
    wanted = np.array([settings.languages is None or name in settings.languages for name in names], dtype=bool)
    found = np.where(wanted[which], "", "other_language") if names else np.zeros(0, "U14")
    # The stored score is a float32: compared as the four digits that the filter sees.
    return np.where(np.round(rows["language_score"].astype(float), 4) < least[which], "low_score", found)


def _order(rule: tuple[str, str]) -> tuple[int, str]:
    step, reason = rule
    return STEPS.index(step), reason


def _setting(config: WebConfig, name: str) -> Any:
    section, _, setting = name.partition(".")
    value = getattr(config, section)
    return getattr(value, setting) if setting else value
