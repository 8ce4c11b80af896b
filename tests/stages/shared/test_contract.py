"""The contract's own functions, and the promises of every stage, planned from the shipped recipes without a disk."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.formats.benchmarks.index import read_index
from stages.formats.benchmarks.layout import HASH, VERSION, folder_of
from stages.formats.kinds import KINDS
from stages.shared.contract import (
    ALL,
    PARTS,
    SAME,
    WHOLE,
    After,
    InputFile,
    Kind,
    Output,
    Reads,
    ReadsRun,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    input_file,
    part_of,
    parts,
    parts_of,
    unique_keys,
    whole_of,
)

ROOT = Path(__file__).parents[3]
STAGES = sorted(path.parent.name for path in (ROOT / "stages").glob("*/config.py") if "\nConfig = " in path.read_text())
FILES = 100
"""Input files of each kind: as many as the recipe with the most parts wants."""
ONE = (
    "state",
    KINDS.tokenizer.name,
)
"""Kinds of which a stage reads one file."""


def test_units_of_one_name_get_keys_that_differ_and_keep_the_first() -> None:
    assert unique_keys(["a", "b", "a", "a"]) == ["a", "b", "a~2", "a~3"]
    assert unique_keys([]) == []


def test_one_more_name_at_the_end_changes_no_key_before_it() -> None:
    names = ["x", "y", "x"]
    assert unique_keys([*names, "y"])[:3] == unique_keys(names)
    assert unique_keys(["x", "x", "y", "x"]) == ["x", "x~2", "y", "x~3"]


def test_a_key_of_an_earlier_step_is_a_name_like_others() -> None:
    assert unique_keys(["x", "x~2", "x"]) == ["x", "x~2", "x~3"]
    assert unique_keys(["x", "x", "x~2"]) == ["x", "x~2", "x~2~2"]


def test_the_key_of_a_file_is_that_of_its_maker_else_its_source_and_name() -> None:
    made = InputFile(Path("/runs/r/steps/web/ab/units/00003/documents.jsonl.zst"), "dump", unit="dump/03.warc")
    assert file_key(made) == "dump/03.warc"
    assert file_key(InputFile(Path("/data/03.warc.gz"), "dump")) == "dump/03.warc.gz"
    assert file_key(InputFile(Path("/data/03.warc.gz"), "")) == "03.warc.gz"


def test_parts_are_numbered_and_know_how_many_there_are() -> None:
    assert [unit.key for unit in parts(2)] == ["0-of-2", "1-of-2"]
    assert {unit.key for unit in parts(2)}.isdisjoint(unit.key for unit in parts(3))
    assert len(WHOLE) == 1


def test_an_output_has_its_own_file_name_or_its_kinds() -> None:
    kind = Kind("funnel", "funnel.json")
    assert Output(step="", unit="all", kind=kind, source="").file == "funnel.json"
    assert Output(step="", unit="all", kind=kind, source="", name="other.json").file == "other.json"


def test_a_step_reads_all_of_an_earlier_one_unless_it_says_so() -> None:
    assert After("extract").units == ALL
    assert After("extract", SAME).units == SAME


def test_the_parts_of_a_unit_read_what_it_reads_and_name_it() -> None:
    whole = Unit(key="a/b", uses=("text",))
    first, second = parts_of(whole, 2)
    assert (first.key, second.key, first.uses) == ("a/b/part-0-of-2", "a/b/part-1-of-2", ("text",))
    assert {whole_of(first.key), whole_of(second.key)} == {whole.key}
    assert part_of(second.key) == (1, 2)


def test_a_file_is_the_same_again_from_its_path_or_url() -> None:
    for where in ("/a/b c.gz", "https://host/a/b.gz?x=1", "s3://bucket/a/b.gz", "relative/x"):
        file = input_file(where, "dump", 2.5)
        assert file.where == where
        assert file == input_file(file.where, "dump", 2.5)
    assert input_file("https://host/a/b.gz?x=/1", "dump").path == Path("b.gz")
    assert not input_file("/a/https://b", "dump").url


def config_of(stage: str) -> type[StageConfig]:
    found: type[StageConfig] = importlib.import_module(f"stages.{stage}.config").Config
    return found


def recipe_sections() -> Iterator[tuple[str, type[StageConfig], dict[str, Any]]]:
    """Yield the sections of the recipes that ship; of those that extend another one, only stages of theirs alone."""
    recipes = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "jobs" / "recipes").glob("*.yaml")}
    seen = set()
    for recipe, content in sorted(recipes.items(), key=lambda each: ("extends" in each[1], each[0])):
        for name, section in content.items():
            stage = section.get("stage", name) if isinstance(section, dict) else ""
            if stage in STAGES and not ("extends" in content and stage in seen):
                settings = {setting: value for setting, value in section.items() if setting != "stage"}
                yield f"{recipe}:{name}", config_of(stage), settings
                seen.add(stage)


def made_up_inputs(config: StageConfig) -> dict[str, tuple[InputFile, ...]]:
    """Return files for every input field that is set."""
    inputs: dict[str, tuple[InputFile, ...]] = {}
    for name, setting in type(config).model_fields.items():
        for mark in setting.metadata:
            if isinstance(mark, Reads) and getattr(config, name) is not None:
                if isinstance(value := getattr(config, name), Mapping):
                    inputs[name] = tuple(InputFile(Path("/data", str(path)), key) for key, path in value.items())
                    continue
                if mark.kind == KINDS.datasets:
                    inputs[name] = prepared_data()
                    continue
                count = 1 if mark.kind.name in ONE else FILES
                inputs[name] = tuple(
                    InputFile(Path(f"/data/{mark.kind.name}/{number:03}"), "ab"[number % 2], 1.0, count=1000)
                    for number in range(count)
                )
    return inputs


@cache
def prepared_data() -> tuple[InputFile, ...]:
    """Return a folder for each data set of lm-eval's tasks."""
    every = {data for _, data, _ in read_index().tasks.values() if data.path}
    folders = {Path("/hf/datasets", *folder_of(data), VERSION, HASH) for data in every}
    return tuple(InputFile(folder, "") for folder in sorted(folders))


@cache
def planned() -> dict[str, tuple[StageConfig, StagePlan]]:
    plans = {}
    for name, kind, settings in recipe_sections():
        config = kind.model_validate(settings)
        plans[name] = (config, config.plan(made_up_inputs(config)))
    return plans


SECTIONS = [name for name, _, _ in recipe_sections()]


def steps_of(name: str) -> tuple[StageConfig, tuple[Step, ...]]:
    config, plan = planned()[name]
    return config, plan.steps


def test_the_recipes_use_every_stage() -> None:
    assert {name.stage for _, name, _ in recipe_sections()} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_the_name_of_its_folder(stage: str) -> None:
    assert config_of(stage).stage == stage


@pytest.mark.parametrize("name", SECTIONS)
def test_every_step_names_a_function_of_one_task(name: str) -> None:
    for step in steps_of(name)[1]:
        module, _, function = step.run.partition(":")
        run = getattr(importlib.import_module(module), function)
        assert list(inspect.signature(run).parameters) == ["task"]
        assert inspect.getdoc(run)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_step_uses_settings_and_reads_inputs_that_exist(name: str) -> None:
    config, steps = steps_of(name)
    settings = type(config).model_fields
    for step in steps:
        uses = {*step.uses, *(setting for unit in step.units for setting in unit.uses)}
        for used in uses:
            value: Any = config
            for part in used.split("."):
                known = value if isinstance(value, dict) else dict(value)
                assert part in known, f"{step.name} uses {used}"
                value = known[part]
        for field in step.reads:
            assert any(isinstance(mark, (Reads, ReadsRun)) for mark in settings[field].metadata), field
        assert not uses & set(step.reads), "an input's identity is its content, not how it was written"


@pytest.mark.parametrize("name", SECTIONS)
def test_the_units_of_every_step_have_keys_of_their_own_and_the_launcher_makes_parts(name: str) -> None:
    steps = steps_of(name)[1]
    parted = {after.step for step in steps for after in step.after if after.units == PARTS}
    for step in steps:
        keys = [unit.key for unit in step.units]
        assert bool(keys) != (step.name in parted)
        assert len(keys) == len(set(keys))
        assert all(keys)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_step_reads_earlier_steps_and_fellows_that_exist(name: str) -> None:
    keys: dict[str, set[str]] = {}
    for step in steps_of(name)[1]:
        own = {unit.key for unit in step.units}
        for after in step.after:
            assert after.step in keys, f"{step.name} reads {after.step}, which is no earlier step"
            assert after.units != SAME or own <= keys[after.step]
        keys[step.name] = own


@pytest.mark.parametrize("name", SECTIONS)
def test_every_output_is_a_file_of_its_own_of_a_unit_that_exists(name: str) -> None:
    _, plan = planned()[name]
    units = {(step.name, unit.key) for step in plan.steps for unit in step.units}
    kinds = {getattr(KINDS, field.name) for field in fields(KINDS)}
    places = [(output.step, output.unit, output.file) for output in plan.outputs]
    assert len(places) == len(set(places))
    for output in plan.outputs:
        assert (output.step, output.unit) in units
        assert output.kind in kinds
        assert output.file
