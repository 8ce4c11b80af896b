"""Planted faults fire once, where and when they were asked to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.run.faults import Fault, PlantedFailure, fire_due, parse_fault, plant, planted
from jobs.submit.snapshot import ROOT
from stages.shared.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("pretrain@120:kill", Fault("pretrain", "0", 120, "kill")),
        ("web.filter/3:fail", Fault("web.filter", "3", 0, "fail")),
        ("web.filter/3@7:never", Fault("web.filter", "3", 7, "never")),
        (
            "web.filter/CC-MAIN-2024-10/00017.warc.gz:kill",
            Fault("web.filter", "CC-MAIN-2024-10/00017.warc.gz", 0, "kill"),
        ),
    ],
)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text", ["pretrain", "pretrain:explode", "pretrain@x:kill", "/3:fail", "a/:fail", "a/b@:fail", ""]
)
def test_what_is_no_fault_is_told_with_the_form(text: str) -> None:
    with pytest.raises(ConfigError, match="pretrain@120:kill"):
        parse_fault(text)


@pytest.mark.parametrize("name", ["2", "dump/00002.warc"])
def test_a_fault_fires_once_at_its_time_in_the_unit_of_its_place_or_key(tmp_path: Path, name: str) -> None:
    run, unit = RunPaths(tmp_path), ("dump/00002.warc", 2)
    plant(run, [Fault("a.x", name, 10, "fail")])
    assert planted(run, "a.x", "dump/00001.warc", 1) == planted(run, "b.x", *unit) == []
    due = planted(run, "a.x", *unit)
    fire_due(run, due, 9)
    with pytest.raises(PlantedFailure):
        fire_due(run, due, 11)
    fire_due(run, due, 12)
    assert planted(run, "a.x", *unit) == []


def test_planting_the_same_again_does_not_wake_it(tmp_path: Path) -> None:
    run, fault = RunPaths(tmp_path), Fault("a.x", "0", 0, "never")
    plant(run, [fault])
    with pytest.raises(ConfigError):
        fire_due(run, planted(run, "a.x", "all", 0), 0)
    plant(run, [fault])
    assert planted(run, "a.x", "all", 0) == []


def test_a_kill_leaves_its_mark_first(tmp_path: Path) -> None:
    run, fault = RunPaths(tmp_path), Fault("a.x", "0", 0, "kill")
    plant(run, [fault])
    probe = (
        "import sys, pathlib; from jobs.run.faults import *; run = RunPaths(pathlib.Path(sys.argv[1]))\n"
        "fire_due(run, planted(run, 'a.x', 'all', 0), 0); print('alive')"
    )
    command = [sys.executable, "-c", probe, str(tmp_path)]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert first.returncode == -signal.SIGKILL
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout == "alive\n"
