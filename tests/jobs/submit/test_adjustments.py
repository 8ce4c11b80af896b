"""Adjustments: the last word counts, a reset ends them, and what is damaged or foreign changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.submit.adjustments import (
    Adjustment,
    adjusted,
    chosen_jobs,
    is_on_hold,
    read_adjustments,
    write_adjustment,
)
from stages.shared.errors import ConfigError
from stages.shared.files import write_json
from tests.jobs import made

GRAPH = made.graph(made.job("a.x", throttle=9), made.job("a.y", throttle=9), made.job("b", throttle=9))


def throttles(paths: RunPaths) -> list[int]:
    return [job.resources.throttle for job in adjusted(GRAPH, read_adjustments(paths)).jobs.values()]


def test_later_adjustments_win_and_a_reset_ends_all_before_it(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    assert throttles(paths) == [9, 9, 9]
    write_adjustment(paths, Adjustment(jobs=("a.x", "b"), values={"throttle": 5, "exclude": "n1"}, hold=True))
    write_adjustment(paths, Adjustment(jobs=("b",), values={"throttle": 2}))
    assert throttles(paths) == [5, 9, 2]
    assert adjusted(GRAPH, read_adjustments(paths)).jobs["a.x"].resources.exclude == "n1"
    assert (is_on_hold(read_adjustments(paths)), read_adjustments(paths)[0].by) == (True, os.geteuid())
    write_adjustment(paths, Adjustment(jobs=("b",), reset=True))
    assert (throttles(paths), is_on_hold(read_adjustments(paths))) == ([9, 9, 9], False)


@pytest.mark.parametrize(
    "record",
    [
        "text",
        {"jobs": ["b"]},
        {"jobs": ["b"], "values": {"throttle": "many"}},
        {"jobs": ["b"], "values": {"sbatch": {"x": 1}}},
        {"jobs": ["b"], "values": {"unknown": 1}},
        {"jobs": 5, "values": {}},
    ],
)
def test_a_record_that_is_none_is_as_if_it_were_not_there(tmp_path: Path, record: object) -> None:
    write_json(RunPaths(tmp_path).adjustments / "1.json", record)
    assert throttles(RunPaths(tmp_path)) == [9, 9, 9]


def test_names_mean_jobs_and_sections() -> None:
    assert chosen_jobs(GRAPH, []) == ("a.x", "a.y", "b")
    assert chosen_jobs(GRAPH, ["a"]) == ("a.x", "a.y")
    assert chosen_jobs(GRAPH, ["a.y", "b"]) == ("a.y", "b")
    with pytest.raises(ConfigError, match=r"a\.y"):
        chosen_jobs(GRAPH, ["a.z"])
