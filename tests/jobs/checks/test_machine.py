"""Checks of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.checks import machine


def test_this_machine_is_described_without_an_error() -> None:
    found = list(machine.findings())
    assert len(found) >= 6
    assert not [finding for finding in found if finding.level == "fail"]


@pytest.mark.parametrize(("limit", "memory"), [("max", 8_192_000), ("4096000", 4_096_000), ("99999999999", 8_192_000)])
def test_memory_is_limited_by_the_control_group(limit: str, memory: int, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:        8000 kB\nMemFree: 10 kB\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    assert machine.memory_bytes(proc=tmp_path, cgroups=tmp_path) == memory


def test_too_little_of_something_is_a_warning_with_a_reason() -> None:
    assert machine.hardware("cores", 1, 2, "why").level == "warn"
    assert machine.hardware("cores", 2, 2, "why").remedy == ""


def test_no_shared_memory_is_a_warning(tmp_path: Path) -> None:
    assert machine.shared_memory(tmp_path / "absent").level == "warn"


def test_before_the_stages_environment_exists_the_doctor_says_how_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGECOACH_ENV", str(tmp_path / "absent"))
    monkeypatch.setattr("sys.path", [])
    (found,) = machine.environment()
    assert found.level == "warn"
    assert "python3 envs stages" in found.remedy
    assert machine.gloo().level == "warn"
