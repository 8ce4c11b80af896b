"""What a done unit has made, and whether it is still there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jobs.marks import Outputs, content, damage, made_files, withdraw
from jobs.paths import StepPaths
from stages.shared.files import write_json
from tests.jobs.made import write_tree


@pytest.fixture
def step(tmp_path: Path) -> StepPaths:
    """Return a step whose unit `a` is done; it holds a file, one in a folder and an empty one."""
    step = StepPaths(tmp_path)
    write_tree(step.unit("a"), {"text": "words", "deep/er/one": "1", "empty": ""})
    write_json(step.mark("a"), {"files": made_files(step.unit("a"))})
    return step


def test_files_are_listed_with_their_sizes_and_small_ones_with_their_digests(
    step: StepPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(b"words").hexdigest()
    assert made_files(step.unit("a"))["text"] == {"bytes": 5, "sha256": digest}
    assert set(made_files(step.unit("a"))) == {"text", "deep/er/one", "empty"}
    monkeypatch.setattr("jobs.marks.DIGEST_BYTES", 4)
    assert made_files(step.unit("a"))["text"] == {"bytes": 5}


def test_a_link_is_no_file_of_the_unit(step: StepPaths) -> None:
    (step.unit("a") / "link").symlink_to("text")
    (step.unit("a") / "dangling").symlink_to("nowhere")
    assert set(made_files(step.unit("a"))) == {"text", "deep/er/one", "empty"}


def test_what_is_gone_or_of_another_size_is_named(step: StepPaths) -> None:
    assert damage(step, "a") == ""
    (step.unit("a") / "deep/er/one").unlink()
    assert damage(step, "a") == "deep/er/one is gone"
    (step.unit("a") / "empty").unlink()
    assert damage(step, "a") == "deep/er/one is gone (and 1 more)"
    write_tree(step.unit("a"), {"deep/er/one": "1", "empty": "no more"})
    assert damage(step, "a") == "empty has 7 of 0 bytes"
    write_tree(step.unit("a"), {"empty": "", "more": "is no damage"})
    assert damage(step, "a") == ""


def test_what_has_changed_at_the_same_size_is_found_by_its_digest(step: StepPaths) -> None:
    write_tree(step.unit("a"), {"text": "WORDS"})
    assert damage(step, "a") == ""
    assert damage(step, "a", digests=True) == "text has changed"


@pytest.mark.parametrize("mark", ["", "{", "[]", "null", "{}", '{"files": null}', '{"files": {"text": 5}}', "\x00"])
def test_a_mark_that_cannot_be_read_is_damage(step: StepPaths, mark: str) -> None:
    step.mark("a").write_text(mark)
    assert damage(step, "a") == "its completion mark is unreadable"


def test_a_mark_that_goes_meanwhile_is_no_damage(step: StepPaths) -> None:
    withdraw(step, ["a"])
    withdraw(step, ["a"])
    assert damage(step, "a") == ""


def test_what_a_unit_published_is_listed_and_found_damaged_by_output_and_unit(step: StepPaths) -> None:
    assert "published" not in content(step, "a", step.unit("a"))
    write_tree(step.published("a"), {"step-1/weights": "1", "step-2/weights": "22", "alone": "3"})
    write_json(step.mark("a"), content(step, "a", step.unit("a")))
    assert Outputs().damaged(step, thorough=True, digests=True) == {}
    (step.published("a") / "step-2/weights").unlink()
    (step.published("a") / "alone").write_text("4")
    gone = {"a": "step-2/weights is gone", "a/step-2": "step-2/weights is gone"}
    assert Outputs().damaged(step, thorough=True) == gone
    found = Outputs().damaged(step, thorough=True, digests=True)
    assert found.pop("a") in ("step-2/weights is gone (and 1 more)", "alone has changed (and 1 more)")
    assert found == {"a/step-2": "step-2/weights is gone", "a/alone": "alone has changed"}
    found["a"] = "both"
    withdraw(step, found)
    assert damage(step, "a") == ""
    assert step.published_outputs() == {"a/step-1"}
    assert not step.mark("a").exists()


def test_each_unit_is_looked_at_once_unless_digests_are_asked_for(step: StepPaths) -> None:
    outputs = Outputs()
    assert outputs.damaged(step, thorough=False) == {}
    (step.unit("a") / "text").write_text("cut")
    assert outputs.damaged(step, thorough=True) == {}, "known to be intact at the start of this process"
    assert outputs.damaged(step, thorough=True, digests=True) == {"a": "text has 3 of 5 bytes"}
    assert Outputs().damaged(step, thorough=False) == {"a": "text has 3 of 5 bytes"}


def test_of_many_units_a_quick_look_finds_those_without_a_folder(
    step: StepPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.marks.QUICK_UNITS", 1)
    write_json(step.mark("b"), {"files": {}})
    (step.unit("a") / "text").unlink()
    outputs = Outputs()
    assert outputs.damaged(step, thorough=False) == {"b": "its folder is gone"}
    assert outputs.damaged(step, thorough=True) == {"a": "text is gone", "b": "its folder is gone"}
