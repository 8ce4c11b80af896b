"""The part about a reward model: held-out comparisons that it ranks right, its certainty, and the share of length."""

from __future__ import annotations

from stages.formats.chat.reward_reports import RewardReport, read_reward_report
from stages.formats.kinds import KINDS
from stages.report.figures import LEGEND, Figure
from stages.report.part import Card, Material, Missing, Part, View, not_run


def show(material: Material) -> View | Missing:
    """Return the measurements of one section."""
    files = material.of(KINDS.reward)
    return view(read_reward_report(files[0].path)) if files else not_run(f"section {material.section} measured nothing")


def view(report: RewardReport) -> View:
    """Return the tables and the reliability diagram. Pure."""
    rows = [
        ("All held-out comparisons", report.all),
        *((f"Source {name}", share) for name, share in report.sources.items() if len(report.sources) > 1),
        *((f"Ranks {distance} apart", share) for distance, share in report.distances.items()),
        ("Control: before the training", report.untrained),
        ("Control: the longer response wins", report.longer),
    ]
    card = Card(
        id="reward-accuracy",
        label="comparisons ranked right",
        text=f"{report.all.accuracy:.1%}" if report.all.pairs else "",
        value=report.all.accuracy if report.all.pairs else "",
        note=f"{report.all.pairs:,} held-out pairs; {report.untrained.accuracy:.1%} before the training",
    )
    return View(
        values={"report": report, "rows": rows},
        figures={"chart-reliability": reliability(report)} if report.bins else {},
        cards=(card,),
    )


def reliability(report: RewardReport) -> Figure:
    """Return the reliability diagram: how often the model is right, by how sure it is."""
    right = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "measured",
        "x": [each.predicted for each in report.bins],
        "y": [each.accuracy for each in report.bins],
        "text": [f"{each.pairs:,} pairs" for each in report.bins],
    }
    sure = {
        "type": "scatter",
        "mode": "lines",
        "name": "perfect",
        "x": [0.5, 1],
        "y": [0.5, 1],
        "line": {"dash": "dot"},
    }
    axes = {
        "xaxis": {"title": {"text": "probability, by the model"}, "range": [0.48, 1.02], "tickformat": ".0%"},
        "yaxis": {"title": {"text": "ranked right"}, "range": [0, 1.02], "tickformat": ".0%"},
    }
    return {"data": [right, sure], "layout": {**axes, "legend": LEGEND}}


PART = Part(title="Reward model", kinds=(KINDS.reward,), show=show, card="comparisons ranked right")
