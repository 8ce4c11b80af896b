"""Checks of the folder of runs."""

from __future__ import annotations

from pathlib import Path

from jobs.checks import folder


def test_a_good_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    runs = tmp_path / "new" / "it's runs"
    found = list(folder.findings(runs))
    assert {finding.level for finding in found} <= {"ok", "warn"}
    assert len(found) == 4
    assert list(runs.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_failure_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (found,) = folder.findings(tmp_path / "file" / "runs")
    assert found.level == "fail"
    assert "--runs" in found.remedy
