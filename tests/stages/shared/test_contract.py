"""What the launcher and the stages agree on holds for every stage."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.plan.cluster import load_cluster
from jobs.plan.extends import known_recipes
from jobs.plan.graph import build_graph
from jobs.plan.recipe import known_stages, read_recipe
from stages.shared.contract import InputFile, Reads, Step, input_file, shard_dir, shard_name

MANY = 100
"""Input files: as many as the recipe with the most parts wants."""


def every_step() -> list[tuple[str, Step]]:
    """Return the steps of all recipes that ship, planned without a disk."""

    def expand(value: object, setting: str, reads: Reads) -> tuple[InputFile, ...]:
        return tuple(InputFile(Path(f"/data/{name:03}.warc.gz"), "ab"[name % 2], 1.0) for name in range(MANY))

    found = []
    for name in known_recipes():
        graph = build_graph(
            read_recipe(name), load_cluster("local"), RunPaths(Path("/runs/x")), expand, lambda _: ["i"]
        )
        found += [(f"{name}:{job.name}", job.step) for job in graph.jobs.values()]
    return found


@pytest.mark.parametrize(("name", "step"), every_step())
def test_every_step_names_a_function_of_one_task(name: str, step: Step) -> None:
    module, _, function = step.run.partition(":")
    run = getattr(importlib.import_module(module), function)
    assert list(inspect.signature(run).parameters) == ["task"]
    assert inspect.getdoc(run)


@pytest.mark.parametrize(("name", "step"), every_step())
def test_every_step_counts_on_settings_that_exist(name: str, step: Step) -> None:
    config = importlib.import_module(f"stages.{step.run.split('.')[1]}.config").Config
    fields = set(config.model_fields)
    for used in step.uses:
        section, _, setting = used.partition(".")
        assert section in fields
        assert not setting or setting in config.model_fields[section].annotation.model_fields, used
    assert set(step.reads) <= fields
    assert not set(step.uses) & set(step.reads), "an input's identity is its content, not how it was written"
    assert step.shards >= 1


@pytest.mark.parametrize("stage", known_stages())
def test_a_stage_is_called_what_its_folder_is(stage: str) -> None:
    config = importlib.import_module(f"stages.{stage}.config").Config
    assert config.stage == stage


def test_shards_sort_as_they_count() -> None:
    assert sorted(map(shard_name, (10, 9, 2))) == [shard_name(2), shard_name(9), shard_name(10)]
    assert shard_dir(Path("step"), 3) == Path("step/shards/00003")


def test_a_file_is_the_same_again_from_where_it_is() -> None:
    for where in ("/a/b c.gz", "https://host/a/b.gz?x=1", "s3://bucket/a/b.gz", "relative/x"):
        file = input_file(where, "dump", 2.5)
        assert file.where == where and file == input_file(file.where, "dump", 2.5)
    assert input_file("https://host/a/b.gz?x=/1", "dump").path == Path("b.gz")
    assert not input_file("/a/https://b", "dump").url
