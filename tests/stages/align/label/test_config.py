"""Planning: labels bring a second step, and reasons are short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.align.label.config import LabelConfig
from stages.shared.contract import InputFile

FILES = {"candidates": (InputFile(Path("/a/c.jsonl"), "c", 1.0),), "labels": (InputFile(Path("/a/ann.jsonl"), "ann"),)}


def config(**settings: Any) -> LabelConfig:
    return LabelConfig.model_validate({"candidates": "/a/c.jsonl", **settings})


def test_labels_become_preferences_in_a_step_that_reads_them_alone() -> None:
    assert [step.name for step in config().plan({"candidates": FILES["candidates"]}).steps] == ["collect"]
    plan = config(labels="/a/*.jsonl").plan(FILES)
    assert [(step.name, step.reads) for step in plan.steps] == [("collect", ("candidates",)), ("agree", ("labels",))]
    assert [output.kind.name for output in plan.outputs] == ["preferences", "agreement"]


@pytest.mark.parametrize("settings", [{"reasons": [""]}, {"reasons": ["x" * 41]}, {"port": 65536}])
def test_what_the_page_cannot_show_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**settings)
