"""Recipes are closed and typed, and `--set` reaches every setting of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.plan.extends import known_recipes
from jobs.plan.recipe import apply_override, known_stages, make_recipe, read_recipe
from stages.shared.errors import ConfigError, StagecoachError
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
    ("values", "setting", "said"),
    [
        (recipe(tokenizer={**WORDS, "vocabsize": 1}), "tokenizer.vocabsize", "a known key; did you mean 'vocab_size'?"),
        (recipe(tokeniser=WORDS), "tokeniser", "did you mean 'tokenizer'?"),
        (recipe(tokenizer={"vocab_size": 512}), "tokenizer.documents", "tokenizer cannot do without 'documents'"),
        (recipe(tokenizer={**WORDS, "vocab_size": "many"}), "tokenizer.vocab_size", "a valid integer"),
        (
            recipe(tokenizer={"documents": 3}),
            "tokenizer.documents",
            'a string: quote it, "3" or a valid list or a valid dict',
        ),
        (recipe(tokenizer={"documents": ["x", 3]}), "tokenizer.documents.1", 'a string: quote it, "3"'),
        (recipe(words={"stage": "tokenizer", "documents": "x", "vocab_size": 0}), "words.vocab_size", "greater than"),
        (recipe(words={"stage": "tokenizer", "vocabsize": 1}), "words.documents", "words cannot do without"),
        (recipe(words={"stage": "tokeniser", **WORDS}), "words.stage", "did you mean 'tokenizer'?"),
        (recipe(tokenizer=None), "tokenizer", "a mapping"),
        (recipe(tokenizer=WORDS, targets=["web"]), "targets", "a section of this recipe"),
        (recipe(tokenizer=WORDS, targets="tokenise"), "targets", "did you mean 'tokenizer'?"),
        (recipe(tokenizer=WORDS, targets=[["tokenizer"]]), "targets", "a section of this recipe"),
        (recipe(tokenizer=WORDS, targets={"tokenizer": 1}), "targets", "a list of sections"),
        (recipe(tokenizer=WORDS, resources={"tokens": {}}), "resources.tokens", "a section of this recipe"),
        (recipe(tokenizer=WORDS, resources={"tokenizer": {"cpu": 1}}), "resources.tokenizer.cpu", "a known key"),
        (recipe(tokenizer=WORDS, resources=[1]), "resources", "a mapping"),
        (recipe(tokenizer=WORDS, resources={"tokenizer": 3}), "resources.tokenizer", "a mapping"),
        (recipe(**{"a/b": {"stage": "tokenizer", **WORDS}}), "recipe", "a section name of letters"),
        (recipe(**{"../up": {"stage": "tokenizer", **WORDS}}), "recipe", "a section name of letters"),
        (recipe(**{"a.b": {"stage": "tokenizer", **WORDS}}), "recipe", "a section name of letters"),
        (recipe(tokenizer={**WORDS, "matrix": {"vocabsize": [1]}}), "tokenizer-vocabsize-1.vocabsize", "'vocab_size'"),
    ],
)
def test_a_wrong_recipe_is_one_clear_error_about_the_sections_own_setting(
    values: dict[str, object], setting: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_recipe(values)
    assert caught.value.setting == setting
    assert said in caught.value.wanted


def test_an_unknown_recipe_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        read_recipe("dmeo")


@pytest.mark.parametrize("text", ["tokenizer: [", "- a", "", "just words"])
def test_a_file_that_is_no_recipe_is_an_error_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StagecoachError, match=r"mine\.yaml"):
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
        ("a.b=1e-3", 1e-3),
        ("a.b=no", "no"),
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


@pytest.mark.parametrize("override", ["a.b", "=1", "a..b=1", ".a=1", "a.b.c=1", "a.b=010", "a.b={c: 1, c: 2}"])
def test_a_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        apply_override({"a": {"b": 1}}, override)


def test_an_override_reaches_into_a_shipped_recipe() -> None:
    made = read_recipe("demo", ["tokenizer.vocab_size=2048", "resources.web.cpus=2"])
    assert made.sections["tokenizer"].model_dump()["vocab_size"] == 2048
    assert made.resources == {"web": {"cpus": 2}}
    with pytest.raises(ConfigError, match=r"tokenizer\.vocab"):
        read_recipe("demo", ["tokenizer.vocab=1"])


def test_resources_of_a_step_may_be_nested_as_the_command_line_nests_them() -> None:
    files = {"tokenizer": {"cpus": 1, "mem_gb": 1}, "tokenizer.x": {"mem_gb": 2, "time_min": 3}}
    values = recipe(tokenizer=WORDS, resources=files)
    apply_override(values, "resources.tokenizer.x.mem_gb=5")
    assert make_recipe(values).resources == {
        "tokenizer": {"cpus": 1, "mem_gb": 1},
        "tokenizer.x": {"mem_gb": 5, "time_min": 3},
    }


SWEPT = recipe(tokenizer={**WORDS, "matrix": {"vocab_size": [300, 512]}}, tokens={"documents": "x", "tokenizer": "t"})
NAMES = ("tokenizer-vocab_size-300", "tokenizer-vocab_size-512")


def test_a_matrix_makes_sections_and_targets_name_them_all() -> None:
    made = make_recipe({**SWEPT, "targets": ["tokenizer"]})
    assert made.targets == NAMES
    assert [made.sections[name].model_dump()["vocab_size"] for name in NAMES] == [300, 512]
    assert make_recipe({**SWEPT, "targets": NAMES[0]}).targets == NAMES[:1]


def test_resources_of_a_swept_section_go_to_every_combination_and_its_own_win() -> None:
    resources = {NAMES[0]: {"cpus": 9}, "tokenizer": {"cpus": 2, "mem_gb": 3}}
    assert make_recipe({**SWEPT, "resources": resources}).resources == {
        NAMES[0]: {"cpus": 9, "mem_gb": 3},
        NAMES[1]: {"cpus": 2, "mem_gb": 3},
    }


def test_the_record_of_a_recipe_makes_the_same_recipe_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: demo\npretrain: {matrix: {lr: [1e-3, 2e-3]}}\nresources: {pretrain: {cpus: 2}}\n")
    made = read_recipe(str(path), ["pretrain.steps=200"])
    again = make_recipe(json.loads(json.dumps(made.values)))
    assert (again.sections, again.targets, again.resources) == (made.sections, made.targets, made.resources)
    assert not {"extends", "matrix"} & {*again.values, *again.values["pretrain-lr-1e-3"]}
    assert again.sections["pretrain-lr-2e-3"].model_dump()["steps"] == 200


def test_a_setting_of_the_command_line_is_not_inherited() -> None:
    assert read_recipe("llama-13b").inherited["web"] == "llama-7b"
    assert "pretrain.model" not in read_recipe("llama-13b").inherited
    assert "pretrain.dtype" not in read_recipe("llama-13b", ["pretrain.dtype=fp32"]).inherited
    assert read_recipe("llama-7b").inherited == {}


def test_a_default_input_and_a_report_of_a_swept_section_read_each_combination() -> None:
    sections = recipe(
        pretrain={"tokens": "x", "tokenizer": "t", "matrix": {"lr": [1e-3, 2e-3]}},
        release={"tokenizer": "t"},
        report={"of": ["pretrain", "release"]},
    )
    values = make_recipe(sections).values
    names = ["pretrain-lr-1e-3", "pretrain-lr-2e-3"]
    assert values["release"]["checkpoints"] == {name: f"from:{name}" for name in names}
    assert values["report"]["of"] == [*names, "release"]


@pytest.mark.parametrize("of", [[{"pretrain": 1}], [["pretrain"]], 3, None])
def test_a_report_of_what_is_no_name_is_refused_beside_a_sweep(of: object) -> None:
    sections = recipe(tokenizer={**WORDS, "matrix": {"vocab_size": [300, 512]}}, report={"of": of})
    with pytest.raises(ConfigError, match=r"report\.of"):
        make_recipe(sections)
