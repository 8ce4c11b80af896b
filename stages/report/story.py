"""The run in a few numbers: the cards on top of the page. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from stages.report.comparison import Comparison, headline
from stages.report.data import Missing, ReportData
from stages.report.timeline import Timeline
from stages.report.training import trained
from stages.report.words import count, duration, number, percent, plural, short


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number of the story."""

    id: str
    label: str
    text: str
    """The number, as read by people."""
    value: float | int | str
    """The same, as read by programs; empty if the part is missing."""
    note: str
    anchor: str
    """Section of the page that tells more."""


def tell(data: ReportData, comparisons: list[Comparison], timeline: Timeline | None) -> list[Card]:
    """Return the cards in the order of the journey."""
    return [*_pages(data), _tokens(data), _training(data), _score(data, comparisons), _attempts(timeline)]


def _not_run(card_id: str, label: str, anchor: str, missing: Missing) -> Card:
    return Card(id=card_id, label=label, text="not run", value="", note=missing.reason, anchor=anchor)


def _pages(data: ReportData) -> list[Card]:
    if isinstance(data.pages, Missing):
        return [_not_run("pages-in", "pages", "pages", data.pages)]
    funnel = data.pages.funnel
    pages_in, kept = (funnel[0].pages_in, funnel[-1].pages_out) if funnel else (0, 0)
    note = f"from {plural(len(data.pages.by_source), 'dump')}"
    dropped = f"{percent(kept, pages_in)} of them; each of the others has a reason" if pages_in else "of none"
    return [
        Card(id="pages-in", label="pages read", text=short(pages_in), value=pages_in, note=note, anchor="pages"),
        Card(id="pages-kept", label="documents kept", text=short(kept), value=kept, note=dropped, anchor="pages"),
    ]


def _tokens(data: ReportData) -> Card:
    if isinstance(data.tokens, Missing):
        return _not_run("tokens-total", "tokens", "tokens", data.tokens)
    total = sum(counts.get("tokens", 0) for counts in data.tokens.values())
    heldout = sum(counts.get("heldout_documents", 0) for counts in data.tokens.values())
    note = f"{plural(heldout, 'document')} held out"
    return Card(id="tokens-total", label="tokens", text=short(total), value=total, note=note, anchor="tokens")


def _training(data: ReportData) -> Card:
    if isinstance(data.training, Missing):
        return _not_run("loss-last", "final loss", "training", data.training)
    good = trained(data.training)
    first, last = good[0], good[-1]
    note = f"from {number(first['loss'])}, in {plural(last['step'], 'step')} over {short(last['tokens'])} tokens"
    return Card(
        id="loss-last", label="final loss", text=number(last["loss"]), value=last["loss"], note=note, anchor="training"
    )


def _score(data: ReportData, comparisons: list[Comparison]) -> Card:
    if isinstance(data.results, Missing):
        return _not_run("score", "evaluation", "evaluation", data.results)
    best = headline(comparisons)
    if best is None:
        return _not_run("score", "evaluation", "evaluation", Missing("only the untrained model was evaluated"))
    comparison, row = best
    against = [] if row.score.chance is None else [f"chance {number(row.score.chance)}"]
    against += [
        f"{other.source} {number(other.score.value)}" for other in comparison.rows if other.source != row.source
    ][:1]
    return Card(
        id="score",
        label=f"{comparison.task} {comparison.metric}",
        text=number(row.score.value),
        value=row.score.value,
        note="; ".join(against) or plural(row.score.samples, "sample"),
        anchor="evaluation",
    )


def _attempts(timeline: Timeline | None) -> Card:
    if timeline is None:
        return _not_run("attempts", "attempts", "timeline", Missing("this run has no ledger"))
    total = sum(line.attempts for line in timeline.jobs)
    troubles = len(timeline.troubles)
    note = f"{plural(total, 'attempt')} of {plural(len(timeline.jobs), 'job')}"
    note += f", {count(troubles)} in trouble" if troubles else ", none in trouble"
    return Card(
        id="attempts",
        label="wall time",
        text=duration(timeline.wall),
        value=total,
        note=note,
        anchor="timeline",
    )
