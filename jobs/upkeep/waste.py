"""Cost and waste of a run, by job: queue wait, core-hours, work lost at kills, restarts. From the ledger alone.

Lost are the core-hours of attempts that saved nothing: all that ended neither `done` nor with their state saved (exit
85). For one that was killed after it had saved some progress this is the most that can be lost. An attempt without a
record of its end is counted as open, with no hours.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median

from jobs.runs import Run
from jobs.submit.ledger import Submission
from stages.formats.attempts import END, START, Attempt
from stages.shared.errors import EXIT_CHECKPOINTED


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """One job's cost."""

    job: str
    elements: int
    """Elements that were submitted, over all submissions."""
    starts: int
    restarts: int
    """Starts of elements that had started before."""
    wait_h: float
    """Median of the hours from submission to the first start of an element."""
    core_hours: float
    gpu_hours: float
    lost_core_hours: float
    open: int
    """Attempts without an end on record."""

    @property
    def lost_share(self) -> float:
        """Lost core-hours over all."""
        return self.lost_core_hours / self.core_hours if self.core_hours else 0.0


def run_costs(run: Run) -> list[JobCost]:
    """Return the cost of each job of a run, in the order of the recipe; of earlier settings too."""
    submissions = {entry.key: entry for entry in run.ledger.submissions()}
    attempts = run.ledger.attempts(run.graph.jobs, records=(START, END))
    ranks = {name: job.step.ranks for name, job in run.graph.jobs.items()}
    own = {name: [each for each in attempts if each.name.job == name] for name in ranks}
    return [cost_of(name, submissions, own[name], ranks[name]) for name in ranks]


def cost_of(job: str, submissions: Mapping[str, Submission], attempts: Sequence[Attempt], ranks: int) -> JobCost:
    """Return a job's cost from its attempts. Pure."""
    spent = lost = gpu = 0.0
    waits: list[float] = []
    for attempt in attempts:
        entry = submissions.get(attempt.name.key)
        if entry is None:
            continue
        if attempt.name.restart == 0 and attempt.start and entry.submitted:
            waits.append(max(0.0, attempt.start.started - entry.submitted) / 3600)
        hours = _hours(attempt)
        cores = int(entry.resources.get("cpus", 1)) * ranks
        nodes = -(-ranks // int(entry.resources.get("ranks_per_node", 1)))
        spent += hours * cores
        gpu += hours * nodes * int(entry.resources.get("gpus_per_node", 0))
        lost += hours * cores if _is_lost(attempt) else 0.0
    return JobCost(
        job=job,
        elements=sum(len(entry.elements) for entry in submissions.values() if entry.job == job and not entry.refusal),
        starts=len(attempts),
        restarts=sum(attempt.name.restart > 0 for attempt in attempts),
        wait_h=round(median(waits), 4) if waits else 0.0,
        core_hours=round(spent, 4),
        gpu_hours=round(gpu, 4),
        lost_core_hours=round(lost, 4),
        open=sum(attempt.end is None for attempt in attempts),
    )


def _hours(attempt: Attempt) -> float:
    if attempt.start is None or attempt.end is None:
        return 0.0
    return max(0.0, attempt.end.ended - attempt.start.started) / 3600


def _is_lost(attempt: Attempt) -> bool:
    return attempt.end is not None and attempt.end.verdict != "done" and attempt.end.exit_code != EXIT_CHECKPOINTED


def as_rows(costs: Iterable[JobCost]) -> list[dict[str, object]]:
    """Return costs as plain data."""
    return [{**asdict(cost), "lost_share": round(cost.lost_share, 4)} for cost in costs]


COLUMNS = (*(field.name for field in fields(JobCost)), "lost_share")


def as_csv(costs: Iterable[JobCost]) -> str:
    """Return costs as CSV with a header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(as_rows(costs))
    return out.getvalue()


def as_html(name: str, costs: Iterable[JobCost]) -> str:
    """Return costs as a page of one table, without any network."""
    head = "".join(f"<th>{column.replace('_', ' ')}</th>" for column in COLUMNS)
    rows = (
        "<tr>" + "".join(f"<td>{html.escape(str(row[column]))}</td>" for column in COLUMNS) + "</tr>"
        for row in as_rows(costs)
    )
    style = "body{font:14px sans-serif}td,th{padding:2px 10px;text-align:right}td:first-child{text-align:left}"
    title = f"Cost of {html.escape(name)}"
    return (
        f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{style}</style><h1>{title}</h1>"
        f"<table><tr>{head}</tr>{''.join(rows)}</table>\n"
    )
