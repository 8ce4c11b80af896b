"""The part about pages: how many a source of text read, dropped and kept, and why."""

from __future__ import annotations

from stages.formats.kinds import KINDS
from stages.report.figures import Figure
from stages.report.part import Card, Material, Part, View
from stages.report.parts.pages import figures
from stages.report.parts.pages.meanings import step_meaning
from stages.report.parts.pages.read import PageCounts, read
from stages.report.parts.pages.summary import notes, rankings, reasons
from stages.report.words import percent, plural, short
from stages.text.reasons import explain


def show(material: Material) -> View:
    """Return the pages of one section."""
    return view(read(material))


def view(pages: PageCounts) -> View:
    """Return the funnel in tables and figures. Pure."""
    by_step = reasons(pages)
    return View(
        values={
            "pages": pages,
            "reasons_by_step": by_step,
            "most_dropped": max((row.pages for rows in by_step.values() for row in rows), default=0),
            "notes": notes(pages),
            "rankings": rankings(pages.tables),
            "step_meaning": step_meaning,
            "explain": explain,
        },
        figures=draw(pages),
        cards=_cards(pages),
    )


def draw(pages: PageCounts) -> dict[str, Figure]:
    """Return the figures; none if no step has seen a page."""
    funnel, by_source = pages.funnel, pages.by_source
    if not funnel:
        return {}
    drawn = {
        "chart-left": figures.left_figure(funnel),
        "chart-dropped": figures.dropped_figure(funnel),
        "chart-bytes": figures.bytes_figure(funnel),
        "chart-tokens": figures.tokens_figure(funnel),
    }
    if len(by_source) > 1:
        drawn["chart-dumps"] = figures.dumps_figure(funnel, by_source)
    return drawn


def _cards(pages: PageCounts) -> tuple[Card, ...]:
    funnel = pages.funnel
    pages_in, kept = (funnel[0].pages_in, funnel[-1].pages_out) if funnel else (0, 0)
    source = f"from {plural(len(pages.by_source), 'dump')}"
    share = f"{percent(kept, pages_in)} of them; each of the others has a reason" if pages_in else "of none"
    return (
        Card(id="pages-in", label="pages read", text=short(pages_in), value=pages_in, note=source),
        Card(id="pages-kept", label="documents kept", text=short(kept), value=kept, note=share),
    )


PART = Part(title="Pages", kinds=(KINDS.funnel, KINDS.rejects, KINDS.tables), show=show, card="pages read")
