"""Preflight: a sound node passes; a full disk, a wrong clock and missing GPUs are named."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from jobs.run import preflight
from jobs.run.preflight import problems
from tests.jobs.bench import Bench
from tests.jobs.fakes import fake

GPU = "echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'"


def test_this_machine_is_sound(tmp_path: Path) -> None:
    assert list(problems(tmp_path, gpus=0)) == []
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_or_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be written: No such file" in next(problems(tmp_path, 0, temporary=tmp_path / "gone"))
    monkeypatch.setattr(preflight, "LEAST_FREE", 1 << 60)
    assert "MB left" in next(problems(tmp_path, 0))


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_wrong_is_named(tmp_path: Path, hours: int) -> None:
    (found,) = problems(tmp_path, 0, clock=lambda: time.time() + 3600 * hours)
    assert "its clock is 3600 s off" in found or "its clock is 3599 s off" in found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (f"{GPU}; {GPU}", []),
        (GPU, ["1 of 2 GPUs answer"]),
        ("echo 'Unable to determine the device handle' >&2; exit 255", ["0 of 2 GPUs answer (nvidia-smi: Unable to"]),
    ],
)
def test_gpus_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, found: list[str]) -> None:
    fake(monkeypatch, tmp_path, "nvidia-smi", body)
    said = list(problems(tmp_path, gpus=2))
    assert len(said) == len(found) and all(line.startswith(start) for line, start in zip(said, found, strict=True))


def test_a_bad_node_fails_a_training_with_77_before_its_first_step(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.mark_done("make")
    bench.array = "7"
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    entry = bench.submit("march")
    code, said = bench.work(entry)
    assert (code, "this node is bad" in said) == (77, True), said
    assert bench.toy.calls()["march.0"] == 0
