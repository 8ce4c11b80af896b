"""The funnel format: the pages that entered and left each step, with the reasons of the others. This module owns it.

`funnel.json` has the steps in the order in which pages pass them. One file a unit; `merge` adds files up. For every step
`pages_in - pages_out` is the sum of its reasons. A page that is in neither is a fault of the code, so reader and writer
check it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass
class StepCount:
    """Pages in and out of one step, over one or more units."""

    name: str
    pages_in: int = 0
    pages_out: int = 0
    bytes: int = 0
    """UTF-8 bytes of the pages passed on: markup before extraction, text after it."""
    tokens: int = 0
    """Tokens (words and punctuation marks; characters where no spaces part words) of the pages passed on; 0 before
    they are counted."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Pages not passed on, by reason."""
    notes: dict[str, int] = field(default_factory=dict)
    """Other counts, such as lines removed from pages that were passed on."""
    reason_bytes: dict[str, int] = field(default_factory=dict)
    """UTF-8 bytes of the pages not passed on, by reason; records that could not be read have none."""
    reason_tokens: dict[str, int] = field(default_factory=dict)
    """Tokens of the pages not passed on, by reason, where they were counted."""

    @property
    def dropped(self) -> int:
        """Pages not passed on."""
        return self.pages_in - self.pages_out


Funnel = list[StepCount]


def write_funnel(path: Path, funnel: Funnel) -> None:
    """Write the steps in order. Raises ValueError if a step lost pages without a reason."""
    for step in funnel:
        if step.dropped != sum(step.reasons.values()):
            raise ValueError(f"step {step.name}: {step.dropped} pages dropped, its reasons count {step.reasons}")
    write_json(path, {"steps": [asdict(step) for step in funnel]})


def read_funnel(path: Path) -> Funnel:
    """Return the steps of one file. Raises DataError if it is not a funnel."""
    remedy = "Run the unit that wrote it again"
    try:
        funnel = [_step(value) for value in read_json(path)["steps"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a funnel ({error!r})", remedy) from error
    for step in funnel:
        if step.dropped != sum(step.reasons.values()):
            raise DataError(
                path, f"step {step.name} dropped {step.dropped} pages, its reasons count {step.reasons}", remedy
            )
    return funnel


def _step(value: dict[str, Any]) -> StepCount:
    step = StepCount(**value)
    counts = [step.pages_in, step.pages_out, step.bytes, step.tokens]
    counts += [count for table in _tables(step) for count in table.values()]
    if not isinstance(step.name, str) or not all(isinstance(count, int) and count >= 0 for count in counts):
        raise ValueError(f"step {step.name!r} has a count that is not a whole number >= 0")
    return step


def merge(funnels: Iterable[Funnel]) -> Funnel:
    """Return the sum of several funnels, steps in the order of their first appearance, reasons sorted."""
    total: dict[str, StepCount] = {}
    for step in (step for funnel in funnels for step in funnel):
        into = total.setdefault(step.name, StepCount(step.name))
        into.pages_in += step.pages_in
        into.pages_out += step.pages_out
        into.bytes += step.bytes
        into.tokens += step.tokens
        for mine, theirs in zip(_tables(into), _tables(step), strict=True):
            for reason, count in theirs.items():
                mine[reason] = mine.get(reason, 0) + count
    for table in (table for step in total.values() for table in _tables(step)):
        in_order = sorted(table.items())
        table.clear()
        table.update(in_order)
    return list(total.values())


def _tables(step: StepCount) -> tuple[dict[str, int], ...]:
    return step.reasons, step.notes, step.reason_bytes, step.reason_tokens
