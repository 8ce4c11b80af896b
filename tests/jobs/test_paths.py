"""The only module that knows a file name: what it says must be safe, distinct and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.paths import RunPaths, StepPaths, unit_folder
from tests.jobs.made import write_tree

RUN = RunPaths(Path("/runs/a run"))
STEP = RUN.step("web.filter", "0123456789abcdef")


def test_a_step_at_another_identity_has_another_folder() -> None:
    assert RUN.step("web.filter", "f" * 64).root != STEP.root
    assert STEP.root.name == "0123456789ab"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("all", "all.0123456789ab"),
        ("CC-MAIN-2024-10/00017.warc.gz", "CC-MAIN-2024-10_00017.warc.gz.0123456789ab"),
        ("0-of-2", "0-of-2.0123456789ab"),
        ("../../etc/passwd", "_.._etc_passwd.0123456789ab"),
        ("$(touch pwned) 'ä'\n", "__touch_pwned______.0123456789ab"),
        (".", "_.0123456789ab"),
    ],
)
def test_a_units_folder_is_a_safe_name_however_its_key_reads(key: str, name: str) -> None:
    assert unit_folder(key, "0123456789abcdef") == name


def test_long_keys_are_cut_and_told_apart_by_their_identities() -> None:
    first, second = (unit_folder("x" * 300, identity * 64) for identity in "ab")
    assert len(first) < 100
    assert first != second


def test_what_is_written_aside_hides_from_listings_and_differs_by_attempt() -> None:
    first, second = STEP.aside("3.abc", "0001-a.0.0"), STEP.aside("3.abc", "0001-a.0.1")
    assert first != second
    assert first.parent == second.parent == STEP.asides("3.abc")
    assert not first.is_relative_to(STEP.root / "units")


def test_done_units_have_a_mark_and_a_folder(tmp_path: Path) -> None:
    step = StepPaths(tmp_path)
    assert step.done_units() == frozenset()
    write_tree(
        tmp_path, {f"done/{name}": "" for name in ("0.ab.json", "12.warc.gz.cd.json", ".3.ef.json.7.tmp", "notes.txt")}
    )
    assert step.marked_units() == {"0.ab", "12.warc.gz.cd"}
    write_tree(tmp_path, {"units/12.warc.gz.cd/text": "", "units/7.gh/text": ""})
    assert step.done_units() == {"12.warc.gz.cd"}
    assert step.mark("12.warc.gz.cd").exists()


def test_published_outputs_are_complete_files_of_each_unit(tmp_path: Path) -> None:
    step = StepPaths(tmp_path)
    assert step.published_outputs() == frozenset()
    write_tree(
        tmp_path, {f"published/{name}": "" for name in ("all.ab/step-1/state", "all.ab/.step-2.9", "b.cd/x.json")}
    )
    assert step.published_outputs() == {"all.ab/step-1", "b.cd/x.json"}
    assert (step.published("b.cd") / "x.json").exists()
