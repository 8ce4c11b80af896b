"""A growing corpus: one more WARC file costs its own units and the steps that read all; the bytes are a fresh run's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.launching import launch, step_dir

FILES = 20
LOCAL = ("--cluster", "local")
OWN = ("web.extract", "web.filter", "web.signatures")
"""Steps in which a unit reads its own file alone, or what was made of it."""
WHOLE = {"web.buckets": 2, "web.cluster": 1, "web.substrings": 1, "web.urls": 1, "web.documents": FILES}
"""Steps that read all units of others, with their numbers of units."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a recipe, and twenty small WARC files in `in`."""
    home = tmp_path_factory.mktemp("growing corpus")  # a path with a space
    sample = home / "sample.yaml"
    sample.write_text(yaml.safe_dump({"sample": {"pages": 600, "files_per_dump": FILES // 2}}))
    launch("run", str(sample), *LOCAL, runs=home)
    (home / "in").mkdir()
    for path in step_dir(home / "sample", "sample").glob("units/*/*.warc.gz"):
        shutil.move(path, home / "in")
    recipe = {"web": {"inputs": f"{home}/in/*.warc.gz", "dedup": {"preset": "fineweb", "bucket_units": 2}}}
    (home / "web.yaml").write_text(yaml.safe_dump(recipe))
    return home


def to_do(corpus: Path, name: str) -> dict[str, int]:
    """Return how many units of each job `plan` wants to run."""
    plan = json.loads(launch("plan", str(corpus / "web.yaml"), "--name", name, *LOCAL, "--json", runs=corpus).stdout)
    return {job["job"]: job["to_do"] for job in plan["jobs"] if job["to_do"]}


def run(corpus: Path, name: str) -> None:
    launch("run", str(corpus / "web.yaml"), "--name", name, *LOCAL, runs=corpus)


def files(corpus: Path, name: str, job: str, units: set[str] | None = None) -> dict[str, bytes]:
    """Return the content of a job's files by unit folder and name, of some units if given."""
    root = step_dir(corpus / name, job) / "units"
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in root.glob("*/*")
        if units is None or path.parent.name in units
    }


def marks(corpus: Path, name: str) -> dict[str, Any]:
    return {str(path): path.stat().st_mtime_ns for path in (corpus / name).glob("steps/*/*/done/*.json")}


def test_one_more_file_runs_its_own_units_and_the_steps_that_read_all(corpus: Path) -> None:
    late = corpus / "in" / "sample-2024-10-00004.warc.gz"  # not the last one: the others keep their places by name
    aside = corpus / late.name
    shutil.move(late, aside)
    run(corpus, "growing")
    before = marks(corpus, "growing")
    shutil.move(aside, late)
    assert to_do(corpus, "growing") == {**dict.fromkeys(OWN, 1), **WHOLE}
    run(corpus, "growing")
    after = marks(corpus, "growing")
    assert {path: after[path] for path in before} == before  # what was done was not done again
    assert len(after) == len(before) + len(OWN) + sum(WHOLE.values())
    run(corpus, "fresh")
    for job in (*OWN, *WHOLE):
        fresh = files(corpus, "fresh", job)
        units = {name.partition("/")[0] for name in fresh}
        assert files(corpus, "growing", job, units) == fresh


def test_one_file_less_runs_only_what_reads_all_and_the_old_set_nothing(corpus: Path) -> None:
    run(corpus, "growing")
    gone = corpus / "in" / "sample-2025-05-00009.warc.gz"
    aside = corpus / gone.name
    shutil.move(gone, aside)
    assert to_do(corpus, "growing") == {**WHOLE, "web.documents": FILES - 1}
    shutil.move(aside, gone)
    assert to_do(corpus, "growing") == {}
