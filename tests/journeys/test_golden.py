"""Golden digests: a change that is not declared fails, a declared one asks for new golden digests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.plan.graph import Graph
from tests.journeys import golden
from tests.journeys.golden import Golden

BEFORE = {job: Golden(1, "aa", "00") for job in ("web.extract", "web.filter", "tokens")}


class Wired(Graph):
    """A chain of three steps."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(BEFORE, None), {})  # type: ignore[arg-type]  # only names are looked at

    def downstream(self, name: str) -> tuple[str, ...]:
        """Return the steps after `name` in the chain."""
        names = list(self.jobs)
        return tuple(names[names.index(name) + 1 :])


@pytest.fixture(autouse=True)
def where(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every step's version stand in one file."""
    monkeypatch.setattr(golden, "version_file", lambda _: "stages/web/plan.py")


def changed(*jobs: str, **fields: Any) -> dict[str, Golden]:
    return {job: replace(state, **fields) if job in jobs else state for job, state in BEFORE.items()}


def test_other_bytes_under_the_same_version_are_an_error_that_names_the_file() -> None:
    assert list(golden.undeclared(BEFORE, changed("web.filter", files="11"), Wired())) == [
        "web.filter: bytes changed but version is still 1: raise version in stages/web/plan.py (or mend the change)"
    ]


def test_only_the_first_step_of_a_chain_is_blamed() -> None:
    (error,) = golden.undeclared(BEFORE, changed("web.extract", "web.filter", "tokens", files="11"), Wired())
    assert error.startswith("web.extract: ")


def test_other_bytes_with_another_version_or_other_settings_are_declared_and_stale() -> None:
    for fields, line in (({"version": 2}, "version 1 -> 2"), ({"identity": "bb"}, "other settings or inputs")):
        found = changed("web.filter", files="11", **fields)
        assert list(golden.undeclared(BEFORE, found, Wired())) == []
        assert list(golden.stale(BEFORE, found)) == [f"web.filter: {line}"]


def test_equal_steps_are_neither() -> None:
    assert list(golden.undeclared(BEFORE, BEFORE, Wired())) == list(golden.stale(BEFORE, BEFORE)) == []


def test_a_new_step_makes_the_golden_file_stale() -> None:
    assert list(golden.stale(BEFORE, {**BEFORE, "web.new": Golden(1, "aa", "00")})) == ["web.new: new"]


def write_unit(folder: Path, wall_time: float = 1.0, loss: float = 2.0) -> Path:
    (folder / "tensorboard").mkdir(parents=True)
    (folder / "tensorboard" / f"events.{wall_time}").write_text(str(wall_time))
    (folder / "metrics.jsonl").write_text(json.dumps({"loss": loss, "wall_time": wall_time}) + "\n")
    return folder


def test_times_do_not_change_a_digest_and_content_does(tmp_path: Path) -> None:
    first, later = write_unit(tmp_path / "a"), write_unit(tmp_path / "b", wall_time=9.0)
    other = write_unit(tmp_path / "c", loss=3.0)
    assert golden.files_digest({"u": first}) == golden.files_digest({"u": later})
    assert golden.files_digest({"u": first}) != golden.files_digest({"u": other})
    assert golden.files_digest({"u": first}) != golden.files_digest({"v": first})


def test_a_processor_is_known_by_its_family_and_vector_instructions(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "vendor_id\t: V\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: E\nflags\t\t: fpu fma avx2 rdpid\n\n" * 2
    )
    assert golden.processor(cpuinfo) == {
        "vendor_id": "V",
        "cpu family": "25",
        "model": "17",
        "model name": "E",
        "flags": "avx2 fma",
    }
