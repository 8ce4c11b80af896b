"""Planning: labels bring a second step, and reasons are short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.align.label.config import LabelConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

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


ANSWERS = {"answers": (InputFile(Path("/a/sft.jsonl"), "sft"), InputFile(Path("/a/ppo.jsonl"), "ppo"))}


def test_answers_take_the_place_of_candidates_and_their_labels_give_win_rates() -> None:
    compared = LabelConfig.model_validate({"answers": "x", "against": "sft", "labels": "x"})
    plan = compared.plan({**ANSWERS, "labels": FILES["labels"]})
    assert [(step.name, step.reads) for step in plan.steps] == [("collect", ("answers",)), ("agree", ("labels",))]
    assert [output.kind.name for output in plan.outputs] == ["preferences", "agreement", "judgement", "verdicts"]


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({}, "candidates"),
        ({"candidates": "x", "answers": "x"}, "candidates"),
        ({"candidates": "x", "against": "sft"}, "against"),
        ({"answers": "x"}, "against"),
        ({"answers": "x", "against": "base"}, "against"),
    ],
)
def test_candidates_or_answers_are_given_with_what_they_need(settings: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=f"^{setting} = "):
        LabelConfig.model_validate(settings).plan(ANSWERS)
