"""Recipes are closed and typed, and `--set` reaches every setting of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.plan.recipe import apply_override, known_recipes, known_stages, make_recipe, read_recipe
from stages.shared.errors import ConfigError
from stages.tokenizer.config import TokenizerConfig


def recipe(**sections: object) -> dict[str, object]:
    return {"name": "mine", **sections}


WORDS = {"documents": "*.zst", "vocab_size": 512}


@pytest.mark.parametrize("name", known_recipes())
def test_every_recipe_that_ships_is_valid(name: str) -> None:
    made = read_recipe(name)
    assert made.name == name
    assert made.about, "a recipe says in a line what it is for"


def test_stages_are_found_by_their_config_modules() -> None:
    assert {"sample", "web", "tokenizer", "tokens", "pretrain", "evaluate"} <= set(known_stages())
    assert not {"model", "shared", "train"} & set(known_stages())


def test_a_section_is_validated_by_its_stage() -> None:
    made = make_recipe(recipe(tokenizer=WORDS))
    section = made.sections["tokenizer"]
    assert isinstance(section, TokenizerConfig)
    assert section.vocab_size == 512
    assert made.targets == ("tokenizer",)


def test_two_sections_may_configure_one_stage() -> None:
    made = make_recipe(recipe(small={"stage": "tokenizer", **WORDS}, large={"stage": "tokenizer", **WORDS}))
    assert {type(section) for section in made.sections.values()} == {TokenizerConfig}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (recipe(tokenizer={**WORDS, "vocabsize": 1}), "tokenizer.vocabsize is 1: want a known key; did you mean 'voc"),
        (recipe(tokeniser=WORDS), "did you mean 'tokenizer'?"),
        (recipe(tokenizer={"vocab_size": 512}), "tokenizer cannot do without 'documents'"),
        (recipe(tokenizer={**WORDS, "vocab_size": "many"}), "tokenizer.vocab_size is 'many': want"),
        (recipe(tokenizer=None), "tokenizer is None: want a mapping"),
        (recipe(tokenizer=WORDS, targets=["web"]), "targets is 'web': want a section of this recipe"),
        (recipe(tokenizer=WORDS, targets="tokenise"), "did you mean 'tokenizer'?"),
        (recipe(tokenizer=WORDS, resources={"tokens": {}}), "resources.tokens"),
        (recipe(tokenizer=WORDS, resources={"tokenizer": {"cpu": 1}}), "resources.tokenizer.cpu is 1: want a known"),
        (recipe(tokenizer=WORDS, resources=[1]), "resources is [1]: want a mapping"),
        (recipe(**{"a/b": {"stage": "tokenizer", **WORDS}}), "section names of letters"),
        (recipe(**{"../up": {"stage": "tokenizer", **WORDS}}), "section names of letters"),
        (recipe(**{"a.b": {"stage": "tokenizer", **WORDS}}), "section names of letters"),
    ],
)
def test_a_wrong_recipe_is_one_clear_error(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_recipe(values)
    assert said in str(caught.value)


def test_an_unknown_recipe_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        read_recipe("dmeo")


@pytest.mark.parametrize("text", ["tokenizer: [", "- a", "", "just words"])
def test_a_file_that_is_no_recipe_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        read_recipe(str(path))


def test_a_recipe_is_named_after_its_file_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("tokenizer: {documents: x}\n", encoding="utf-8")
    assert read_recipe(str(path)).name == "mine"
    assert read_recipe(str(path), ["name=yours"]).name == "yours"


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("a.b=3", 3),
        ("a.b=2.5e-3", 2.5e-3),
        ("a.b=true", True),
        ("a.b=", None),
        ("a.b=[x, y]", ["x", "y"]),
        ("a.b={c: 1}", {"c": 1}),
        ("a.b=from:web", "from:web"),
        ("a.b=/data/*.gz", "/data/*.gz"),
        ("a.b=x=y", "x=y"),
        ("a.b=[unfinished", "[unfinished"),
        ("a.b='quoted words'", "quoted words"),
    ],
)
def test_an_override_is_read_as_yaml(override: str, value: object) -> None:
    values: dict[str, object] = {"a": {"b": 1, "z": 2}}
    apply_override(values, override)
    assert values == {"a": {"b": value, "z": 2}}


def test_an_override_makes_the_groups_it_needs() -> None:
    values: dict[str, object] = {"resources": None}
    apply_override(values, "resources.web.filter=1")
    assert values == {"resources": {"web": {"filter": 1}}}


@pytest.mark.parametrize("override", ["a.b", "=1", "a..b=1", ".a=1", "a.b.c=1"])
def test_a_malformed_override_is_told(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        apply_override({"a": {"b": 1}}, override)


def test_an_override_reaches_into_a_shipped_recipe() -> None:
    made = read_recipe("demo", ["tokenizer.vocab_size=2048", "resources.web.cpus=2"])
    assert made.sections["tokenizer"].model_dump()["vocab_size"] == 2048
    assert made.resources == {"web": {"cpus": 2}}
    with pytest.raises(ConfigError, match=r"tokenizer\.vocab"):
        read_recipe("demo", ["tokenizer.vocab=1"])
