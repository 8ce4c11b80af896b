"""A recipe that extends another holds what the other holds, and its own differences."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.plan.extends import inherited_settings, known_recipes, load_chain, merged_values
from stages.shared.errors import ConfigError, DataError
from tests.jobs.made import write_tree

BASE = """\
name: the-base
about: A base.
targets: [b]
a: {steps: 1, model: {dim: 64, layers: 2}, prompts: [x, y]}
b: {lr: 1e-3}
resources: {a: {cpus: 2}}
"""


def merged(folder: Path, name: str, **files: str) -> dict[str, object]:
    write_tree(folder, {f"{file}.yaml": text for file, text in files.items()})
    return merged_values(load_chain(str(folder / f"{name}.yaml")))


def test_mappings_are_merged_and_everything_else_is_replaced(tmp_path: Path) -> None:
    mine = "extends: base.yaml\na: {model: {dim: 128}, prompts: [z]}\nc: {x: 1}\n"
    assert merged(tmp_path, "mine", base=BASE, mine=mine) == {
        "name": "mine",
        "targets": ["b"],
        "a": {"steps": 1, "model": {"dim": 128, "layers": 2}, "prompts": ["z"]},
        "b": {"lr": 1e-3},
        "c": {"x": 1},
        "resources": {"a": {"cpus": 2}},
    }


def test_null_removes_what_the_extended_recipe_says_and_is_a_value_elsewhere(tmp_path: Path) -> None:
    mine = "extends: base.yaml\na: {steps: null, model: {layers: null}, languages: null}\nb: null\ntargets: null\n"
    found = merged(tmp_path, "mine", base=BASE, mine=mine)
    assert found["a"] == {"model": {"dim": 64}, "prompts": ["x", "y"], "languages": None}
    assert not {"b", "targets"} & set(found)


def test_a_chain_is_merged_from_its_far_end_and_each_path_starts_at_its_own_file(tmp_path: Path) -> None:
    write_tree(tmp_path, {"far/base.yaml": BASE, "far/middle.yaml": "extends: base.yaml\nb: {lr: 2e-3, x: 1}\n"})
    found = merged(tmp_path, "mine", mine="extends: far/middle.yaml\nb: {x: 2}\n")
    assert found["b"] == {"lr": 2e-3, "x": 2}
    assert found["name"] == "mine"
    assert "about" not in found, "a recipe says itself what it is for"


def test_a_shipped_recipe_is_extended_by_its_name(tmp_path: Path) -> None:
    found = merged(tmp_path, "mine", mine="extends: pretrain\nsample: {pages: 30}\n")
    assert found["sample"] == {"pages": 30}
    assert {"web", "tokenizer", "pretrain"} <= set(found)


def test_a_recipe_that_extends_none_is_itself(tmp_path: Path) -> None:
    assert merged(tmp_path, "base", base=BASE)["name"] == "the-base"


def test_a_circle_is_refused_by_the_names_in_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\(a -> b -> c -> b\)"):
        merged(tmp_path, "a", a="extends: b.yaml", b="extends: ./c.yaml", c="extends: b.yaml")
    with pytest.raises(ConfigError, match=r"own -> own"):
        merged(tmp_path, "own", own="extends: own.yaml")


@pytest.mark.parametrize(
    ("extends", "said"),
    [
        ("dmeo", "did you mean 'demo'"),
        ("missing.yaml", "a path to a .yaml file"),
        ("[demo, web]", "the name of one recipe"),
        ("{a: 1}", "the name of one recipe"),
    ],
)
def test_what_cannot_be_extended_is_named_with_the_file_that_asks_for_it(
    tmp_path: Path, extends: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: extends") as caught:
        merged(tmp_path, "mine", mine=f"extends: {extends}\n")
    assert said in caught.value.wanted


def test_a_trap_in_an_extended_file_names_that_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"base\.yaml:2: the key 'a'"):
        merged(tmp_path, "mine", mine="extends: base.yaml\n", base="a: 1\na: 2\n")


def test_what_is_inherited_is_known_by_section_or_by_setting_and_by_recipe(tmp_path: Path) -> None:
    middle = "extends: base.yaml\na: {prompts: [q]}\nd: {y: 1}\n"
    mine = "extends: middle.yaml\na: {model: {dim: 128}}\nc: {x: 1}\nd: {z: 1}\n"
    values = merged(tmp_path, "mine", base=BASE, middle=middle, mine=mine)
    chain = load_chain(str(tmp_path / "mine.yaml"))
    assert inherited_settings(chain, values, ()) == {
        "a.steps": "base",
        "a.prompts": "middle",
        "b": "base",
        "d.y": "middle",
        "resources": "base",
    }
    assert inherited_settings(chain, values, {"b.lr", "a.steps"}) == {
        "a.prompts": "middle",
        "d.y": "middle",
        "resources": "base",
    }


def test_every_recipe_that_ships_is_known_by_its_file_name() -> None:
    assert {"demo", "web", "llama-7b", "llama-65b"} <= set(known_recipes())
