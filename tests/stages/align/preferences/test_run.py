"""The step on whole files: the preferences of a file, and a count with samples for everything else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stages.align.preferences.config import PreferencesConfig
from stages.formats.chat.syntheses import Synthesis, read_synthesis
from stages.formats.preferences import Preference, read_preferences
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.harness import run_unit


def run(root: Path, path: Path, format_: str) -> tuple[list[Preference], Synthesis]:
    config = PreferencesConfig.model_validate({"files": {"x": str(path)}, "read": {"x": format_}})
    inputs = {"files": (InputFile(path, "x", 0.1),)}
    (step,) = config.plan(inputs).steps
    run_unit(config, step, 0, inputs, root)
    (out,) = (root / "steps" / "read").iterdir()
    return list(read_preferences(out / "preferences.jsonl")), read_synthesis(out / "synthesis.json")


def test_good_records_are_kept_and_the_others_counted_with_samples(tmp_path: Path) -> None:
    good = {"prompt": "p", "kept": "k", "reverted": "r"}
    lines: list[Any] = [good, [], {**good, "reverted": "k"}, {**good, "kept": ""}]
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join([*map(json.dumps, lines), "{broken"]).encode()))
    preferences, synthesis = run(tmp_path, path, "wikipedia")
    assert [each.responses[0].text for each in preferences] == ["k", ""]
    assert {each.source for each in preferences} == {"x"}
    assert synthesis.rejected == {"not_an_object": 1, "same_responses": 1, "unreadable_record": 1}
    assert (synthesis.candidates, synthesis.kept, synthesis.mended) == (5, 2, {"blank_responses": 1})
    assert {sample["record"] for sample in synthesis.samples} == {2, 3, 5}


def test_flat_messages_of_a_tree_are_compared(tmp_path: Path) -> None:
    root = {"message_id": "1", "parent_id": None, "text": "q", "role": "prompter"}
    replies = [
        {"message_id": str(2 + rank), "parent_id": "1", "text": f"a{rank}", "role": "assistant", "rank": rank}
        for rank in range(3)
    ]
    lost = {**replies[0], "message_id": "8", "parent_id": "9"}
    (tmp_path / "x.json").write_text(json.dumps([*replies, lost, root]))
    preferences, synthesis = run(tmp_path, tmp_path / "x.json", "oasst")
    assert [each.ranks for each in preferences] == [(1, 2, 3)]
    assert synthesis.rejected == {"parent_is_missing": 1}


def test_a_file_that_gives_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"none of 1 records gives a preference .*Set `read\.x` to the file's format"):
        run(tmp_path, tmp_path / "x.jsonl", "hh_rlhf")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("\n", "utf-8")
    with pytest.raises(DataError, match=r"x\.jsonl: no records\. Name a file that has some"):
        run(tmp_path, tmp_path / "x.jsonl", "shp")
