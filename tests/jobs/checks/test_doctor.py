"""The doctor's output, and all its checks on the testbed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from jobs.checks.doctor import diagnose, print_findings
from jobs.checks.finding import Finding
from jobs.plan.cluster import load_cluster


def printed(*findings: Finding) -> tuple[int, str]:
    text = io.StringIO()
    code = print_findings(Console(file=text, width=80), findings)
    return code, text.getvalue()


def test_findings_are_grouped_and_a_remedy_stands_below_its_finding() -> None:
    code, text = printed(
        Finding("this machine", "ok", "2 cores"),
        Finding("this machine", "warn", "no /dev/shm", "Ask for it."),
        Finding("Slurm", "ok", "answers"),
    )
    assert code == 0
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[1:5] == ["This machine", "  ok    2 cores", "  warn  no /dev/shm", "        Ask for it."]
    assert lines[-1] == "Runs will work here; warnings to look at: 1."


def test_a_failure_is_the_exit_code() -> None:
    code, text = printed(Finding("Slurm", "fail", "gone", "Look."), Finding("Slurm", "ok", "here"))
    assert code == 1
    assert "1 of these must be repaired" in text


def test_words_in_square_brackets_are_shown_as_they_are() -> None:
    assert "nodes n[1-4] and [/bold]" in printed(Finding("Slurm", "ok", "nodes n[1-4] and [/bold]"))[1]


@pytest.mark.timeout(180)
def test_the_testbed_is_in_order(testbed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in testbed.items():
        monkeypatch.setenv(name, value)
    found = list(diagnose(load_cluster("testbed"), tmp_path))
    assert [finding for finding in found if finding.level == "fail"] == []
    said = "\n".join(finding.what for finding in found)
    assert "arrays of up to 11 elements" in said
    assert "sbatch accepts them" in said
    assert f"writes in {tmp_path}" in said or "no node was free" in said
    assert list(tmp_path.iterdir()) == []
