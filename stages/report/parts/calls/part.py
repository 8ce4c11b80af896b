"""The part about tool calls: how often answers call the right API, beside a control's answers to the same requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.formats.calls.scores import VERDICTS, CallScores, Mode, Verdict, read_call_scores
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.shared.statistics import wilson

CONTROLS = frozenset(("base", "before", "control", "shuffled", "untrained"))
"""Words in the name of answers that are the control of the others in their section."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """The answers of one name in one mode."""

    scores: CallScores
    mode: Mode
    is_control: bool
    right: Share
    hallucinated: Share
    verdict: str
    """Against the control's answers in the same mode: `better`: the interval of the accuracy lies above all of theirs;
    `no better`: it does not; empty: there is no control, or this is one."""


def show(material: Material) -> View | Missing:
    """Return the scores of one section."""
    files = material.of(KINDS.call_scores)
    if not files:
        return not_run(f"section {material.section} has scored no answers")
    return view([read_call_scores(file.path) for file in files])


def view(found: Sequence[CallScores]) -> View:
    """Return the table of answers and the answers on which the modes differ. Pure."""
    modes: tuple[Mode, ...] = ("strict", "published")
    rows = [row for mode in modes for row in _rows(found, mode)]
    verdicts = [
        verdict for verdict in VERDICTS if any(verdict in counts for each in found for counts in each.modes.values())
    ]
    best = max((row for row in rows if row.mode == "strict"), key=lambda row: (not row.is_control, row.right.value))
    card = Card(
        id="calls",
        label="right calls",
        text=f"{100 * best.right.value:.1f} %",
        value=best.right.value,
        note=f"of {best.scores.answers}, strict mode",
    )
    return View(values={"rows": rows, "verdicts": verdicts, "reasons": _reasons(found)}, cards=(card,))


def _rows(found: Sequence[CallScores], mode: Mode) -> list[Row]:
    shares = [(each, _share(each, mode, "correct"), _is_control(each)) for each in found]
    controls = [right for _, right, is_control in shares if is_control]
    rows = []
    for each, right, is_control in shares:
        verdict = ""
        if controls and not is_control:
            verdict = "better" if all(right.low > control.high for control in controls) else "no better"
        hallucinated = _share(each, mode, "hallucination")
        rows.append(
            Row(scores=each, mode=mode, is_control=is_control, right=right, hallucinated=hallucinated, verdict=verdict)
        )
    return rows


def _is_control(scores: CallScores) -> bool:
    return not CONTROLS.isdisjoint(re.split(r"[^a-z]+", scores.answers.lower()))


def _share(scores: CallScores, mode: Mode, verdict: Verdict) -> Share:
    value, answers = scores.share(mode, verdict), sum(scores.modes[mode].values())
    low, high = wilson(value, answers) if answers else (0.0, 1.0)
    return Share(value=value, low=low, high=high)


def _reasons(found: Sequence[CallScores]) -> Mapping[str, int]:
    """Return the answers on which the modes differ, by reason, the most frequent first."""
    counts: dict[str, int] = {}
    for each in found:
        for reason, number in each.reasons.items():
            counts[reason] = counts.get(reason, 0) + number
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


PART = Part(title="Tool calls", kinds=(KINDS.call_scores,), show=show)
