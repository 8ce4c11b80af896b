"""A matrix makes a section for each combination, and who reads the section reads all of them by name."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.plan.matrix import MAX_NAME, expand
from stages.shared.errors import ConfigError


def swept(axes: Any, **others: Any) -> dict[str, Any]:
    return expand({"pre": {"steps": 5, "model": {"dim": 64, "layers": 2}, "matrix": axes}, **others})[0]


def test_each_combination_is_a_section_named_after_its_values() -> None:
    found = swept({"lr": [1e-3, 2e-3], "model.dim": [128, 256]})
    assert list(found) == ["pre-lr-1e-3-dim-128", "pre-lr-1e-3-dim-256", "pre-lr-2e-3-dim-128", "pre-lr-2e-3-dim-256"]
    assert found["pre-lr-2e-3-dim-128"] == {
        "stage": "pre",
        "steps": 5,
        "lr": 2e-3,
        "model": {"dim": 128, "layers": 2},
    }
    assert found["pre-lr-1e-3-dim-256"]["model"]["dim"] == 256, "combinations share no mapping"


def test_a_section_keeps_the_stage_that_it_names() -> None:
    found = expand({"mine": {"stage": "pretrain", "matrix": {"lr": [1]}}})[0]
    assert found == {"mine-lr-1": {"stage": "pretrain", "lr": 1}}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1e-3, "1e-3"),
        (1.5e-3, "1_5e-3"),
        (0.95, "0_95"),
        (0.1, "0_1"),
        (2.0, "2"),
        (1e5, "1e5"),
        (0.1234567891, "0_1234567891"),
        (128, "128"),
        (True, "true"),
        (None, "null"),
        ("bf16", "bf16"),
        ("from:a/b c", "from-a-b-c"),
        ({"dim": 128, "layers": 2}, "dim-128-layers-2"),
        ([1, 2], "1-2"),
    ],
)
def test_a_value_is_readable_in_a_name_that_a_folder_can_have(value: Any, name: str) -> None:
    assert list(swept({"x": [value]})) == [f"pre-x-{name}"]


def test_values_may_be_given_names() -> None:
    found = swept({"model": {"small": {"dim": 1}, "large": {"dim": 2}}})
    assert {name: body["model"] for name, body in found.items()} == {
        "pre-model-small": {"dim": 1},
        "pre-model-large": {"dim": 2},
    }


def test_settings_of_one_name_in_two_groups_are_named_by_their_path() -> None:
    assert list(swept({"a.dim": [1], "b.dim": [2]})) == ["pre-a_dim-1-b_dim-2"]


def test_who_reads_a_swept_section_reads_every_combination_under_its_name() -> None:
    all_of_it = {"pre-lr-1": "from:pre-lr-1", "pre-lr-2": "from:pre-lr-2"}
    found = swept(
        {"lr": [1, 2]},
        evaluate={"checkpoints": "from:pre", "tokenizer": "from:tokenizer", "tasks": ["x"]},
        mixed={"checkpoints": {"ours": "from:pre", "theirs": "/data/*", "more": ["/a", "/b"]}},
        tokenizer={"documents": "*.zst"},
    )
    assert found["evaluate"] == {"checkpoints": all_of_it, "tokenizer": "from:tokenizer", "tasks": ["x"]}
    assert found["mixed"]["checkpoints"] == {
        "ours-lr-1": "from:pre-lr-1",
        "ours-lr-2": "from:pre-lr-2",
        "theirs": "/data/*",
        "more": ["/a", "/b"],
    }


def test_a_section_goes_along_a_swept_one_and_others_read_all_of_both() -> None:
    sections = {
        "report": {"metrics": "from:pre", "results": "from:release"},
        "release": {"matrix": {"checkpoints": "from:pre", "dtype": ["fp32", "bf16"]}, "tokenizer": "t"},
    }
    found = swept({"lr": [1, 2]}, **sections)
    assert found["release-lr-2-dtype-bf16"] == {
        "stage": "release",
        "checkpoints": "from:pre-lr-2",
        "dtype": "bf16",
        "tokenizer": "t",
    }
    assert list(found["report"]["results"]) == [name for name in found if name.startswith("release")]
    assert len(found["report"]["results"]) == 4


def test_the_names_of_the_combinations_are_known_by_section() -> None:
    _, names = expand({"pre": {"matrix": {"lr": [1, 2]}}, "other": {"x": 1}})
    assert names == {"pre": ("pre-lr-1", "pre-lr-2")}


def test_expanding_again_changes_nothing() -> None:
    once = swept({"lr": [1, 2]}, evaluate={"checkpoints": "from:pre"})
    assert expand(once) == (once, {})


@pytest.mark.parametrize(
    ("axes", "setting", "said"),
    [
        ({}, "pre.matrix", "a mapping from settings"),
        (None, "pre.matrix", "a mapping from settings"),
        ([1], "pre.matrix", "a mapping from settings"),
        ({"lr": []}, "pre.matrix.lr", "a list of values"),
        ({"lr": 1e-3}, "pre.matrix.lr", "a list of values"),
        ({"lr": "from:nothing"}, "pre.matrix.lr", "a list of values"),
        ({"lr": [1, 1]}, "pre.matrix", "name the values"),
        ({"x": ["a/b", "a b"]}, "pre.matrix", "name the values"),
        ({"x": ["a" * MAX_NAME]}, "pre.matrix", "a short name"),
        ({"steps.x": [1]}, "pre.matrix.steps.x", "'steps' is 5"),
        ({"x": "from:pre"}, "pre.matrix", "no circle (pre -> pre)"),
    ],
)
def test_a_matrix_that_makes_no_sections_is_one_clear_error(axes: Any, setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        swept(axes)
    assert caught.value.setting == setting
    assert said in caught.value.wanted


def test_sections_along_each_other_are_a_circle() -> None:
    with pytest.raises(ConfigError, match=r"no circle \(a -> b -> a\)"):
        expand({"a": {"matrix": {"x": "from:b"}}, "b": {"matrix": {"y": "from:a"}}})


def test_a_combination_may_not_take_the_name_of_another_section() -> None:
    with pytest.raises(ConfigError, match="pre-lr-1"):
        swept({"lr": [1]}, **{"pre-lr-1": {"x": 1}})


def test_a_list_cannot_name_a_swept_section_because_its_combinations_need_names() -> None:
    with pytest.raises(ConfigError) as caught:
        swept({"lr": [1, 2]}, evaluate={"checkpoints": ["from:pre", "/data/x"]})
    assert caught.value.setting == "evaluate.checkpoints"
    assert "{pre: from:pre}" in caught.value.wanted
