"""A whole dump of Common Crawl on paper: 90,000 files, planned from a list of their paths as it is published."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.launching import ROOT, launch

FILES = 90_000
PATH = "crawl-data/CC-MAIN-2024-10/segments/{segment}/warc/CC-MAIN-20240220211055-20240221001055-{number:05}.warc.gz\n"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    runs = tmp_path_factory.mktemp("dump")
    with gzip.open(runs / "warc.paths.gz", "wt") as paths:
        paths.writelines(PATH.format(segment=number // 900, number=number % 900) for number in range(FILES))
    cluster = str(ROOT / "envs" / "example-slurm.yaml")
    settings = ("--set", f"web.inputs={runs / 'warc.paths.gz'}")
    planned = launch("plan", "crawl", "--cluster", cluster, *settings, "--json", runs=runs)
    return {job["job"]: job for job in json.loads(planned.stdout[planned.stdout.index("{") :])["jobs"]}


def test_every_file_is_in_a_unit_and_arrays_keep_to_slurms_limit(jobs: dict[str, dict[str, Any]]) -> None:
    assert jobs["web.extract"]["units"] == FILES // 10
    for job in jobs.values():
        assert job["elements"] <= 1001 * job["arrays"], job["job"]


def test_hours_memory_and_scratch_are_of_the_size_that_was_measured(jobs: dict[str, dict[str, Any]]) -> None:
    hours = sum(job["core_hours"] for job in jobs.values())
    assert 5_000 < hours < 15_000, "3 billion pages at 7 to 12 ms"
    assert jobs["web.extract"]["core_hours"] > 0.9 * hours
    assert 3e6 < sum(job["disk_mb"] for job in jobs.values()) < 10e6


def test_every_element_has_the_memory_and_time_that_it_needs(jobs: dict[str, dict[str, Any]]) -> None:
    for name, job in jobs.items():
        assert job["needs_gb"] <= job["mem_gb"], name
        assert job["needs_min"] <= job["time_min"], name
