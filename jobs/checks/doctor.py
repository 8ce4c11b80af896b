"""The doctor: checks this machine or cluster before the first run, with a remedy for each problem.

The checks are the other modules of jobs/checks. None raises: a check that cannot be made is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.checks import folder, machine, scheduler, template
from jobs.checks.finding import Finding
from jobs.plan.cluster import Cluster

MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


def diagnose(cluster: Cluster, runs: Path) -> Iterator[Finding]:
    """Yield findings about this machine, the folder `runs`, and the Slurm of `cluster`, as they are made.

    Side effect: writes and removes test files in `runs`; on Slurm, runs one job of a second if a node is free at once.
    """
    yield from machine.findings()
    about_runs = list(folder.findings(runs))
    yield from about_runs
    yield from template.findings(cluster)
    if cluster.kind == "slurm":
        is_usable = not any(finding.level == "fail" for finding in about_runs)
        yield from scheduler.findings(cluster, runs if is_usable else None)


def print_findings(console: Console, findings: Iterable[Finding]) -> int:
    """Print findings as they come, then a verdict. Returns the exit code: 1 if a finding is a failure."""
    counts = {"ok": 0, "warn": 0, "fail": 0}
    about = ""
    for finding in findings:
        if finding.about != about:
            about = finding.about
            console.print(f"\n[bold]{escape(about[0].upper() + about[1:])}[/]")
        counts[finding.level] += 1
        row = Table.grid(padding=(0, 2))
        remedy = f"\n[dim]{escape(finding.remedy)}[/]" if finding.remedy else ""
        row.add_row("", MARKS[finding.level], escape(finding.what) + remedy)
        console.print(row)
    console.print("\n" + _verdict(counts["warn"], counts["fail"]))
    return 1 if counts["fail"] else 0


def _verdict(warnings: int, failures: int) -> str:
    if failures:
        return f"[red]{failures} of these must be repaired before a run can work[/]; warnings to look at: {warnings}."
    if warnings:
        return f"Runs will work here; warnings to look at: {warnings}."
    return "[green]All is well.[/]"
