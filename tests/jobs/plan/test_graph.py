"""Recipe to jobs: what they need, what they read, and an identity made of what changes their bytes alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster, Resources
from jobs.plan.graph import Graph, build_graph, canonical, input_fields, used_settings
from jobs.plan.recipe import Recipe, known_recipes, read_recipe
from stages.shared.contract import FROM, InputFile, Reads, StageConfig
from stages.shared.errors import ConfigError
from stages.web.config import WebConfig
from tests.jobs.toy.config import ToyConfig

LOCAL = Cluster(name="local", kind="local")


def recipe(targets: tuple[str, ...] = (), resources: dict[str, Any] | None = None, **sections: Any) -> Recipe:
    made = {name: ToyConfig(moods="moods", **settings) for name, settings in sections.items()}
    return Recipe("mine", "", targets or tuple(made), made, resources or {}, {})


def build(asked: Recipe, cluster: Cluster = LOCAL, root: str = "/runs/mine", content: str = "text") -> Graph:
    def expand(value: Any, setting: str, reads: Reads) -> tuple[InputFile, ...]:
        return tuple(InputFile(Path(name), name) for name in [value])

    return build_graph(asked, cluster, RunPaths(Path(root)), expand, lambda file: [file.source, content])


def prints(graph: Graph) -> dict[str, str]:
    return {name: job.fingerprint for name, job in graph.jobs.items()}


def changed(before: Graph, after: Graph) -> set[str]:
    return {name for name, value in prints(before).items() if prints(after)[name] != value}


def test_each_job_comes_after_what_it_needs() -> None:
    graph = build(recipe(b={"words": "from:a"}, a={}))
    assert list(graph.jobs) == ["a.make", "a.march", "a.gather", "b.make", "b.march", "b.gather"]
    assert graph.jobs["b.make"].needs == ("a.gather",)
    assert graph.jobs["a.gather"].needs == ("a.make", "a.march")
    assert graph.downstream("a.march") == ("a.gather", "b.make", "b.march", "b.gather")


def test_only_what_the_targets_need_is_built() -> None:
    graph = build(recipe(("b",), a={}, b={"words": "from:a"}, c={}))
    assert {job.section for job in graph.jobs.values()} == {"a", "b"}


def test_inputs_from_another_job_are_its_files_to_be() -> None:
    graph = build(recipe(a={}, b={"words": "from:a"}))
    folder = RunPaths(Path("/runs/mine")).step("a.gather", graph.jobs["a.gather"].fingerprint).root
    assert graph.jobs["b.make"].inputs == {"words": (InputFile(folder / "shards/00000/all.txt", "toy"),)}
    assert graph.jobs["b.march"].inputs == {}, "a step sees only what it says it reads"


def test_a_changed_setting_changes_the_steps_that_use_it_and_what_follows() -> None:
    asked = {"a": {}, "b": {"words": "from:a"}}
    before = build(recipe(**asked))
    assert changed(before, build(recipe(a={"paces": 9}, b=asked["b"]))) == {
        "a.march",
        "a.gather",
        "b.make",
        "b.march",
        "b.gather",
    }
    assert changed(before, build(recipe(a={}, b={"words": "from:a", "paces": 9}))) == {"b.march", "b.gather"}


def test_an_edited_list_that_ships_with_the_code_changes_the_steps_that_read_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Recipe("mine", "", ("web",), {"web": WebConfig(inputs="x", exact={"parts": 1})}, {}, {})
    before = build(asked)
    monkeypatch.setattr("stages.text.word_lists.shipped_text", lambda package, name: "edited\n")
    assert changed(before, build(asked)) == set(before.jobs)
    monkeypatch.undo()
    assert not changed(before, build(asked))


def test_a_step_may_use_one_setting_of_a_section() -> None:
    config = WebConfig(inputs="x", language={"min_score": 0.5})
    assert used_settings(config, ("language.languages", "rejects_per_reason")) == {
        "language.languages": ["en"],
        "rejects_per_reason": 20,
    }
    assert used_settings(config, ("language",))["language"]["min_score"] == 0.5


def test_where_and_how_it_runs_is_no_part_of_the_identity() -> None:
    before = build(recipe(a={}))
    assert not changed(before, build(recipe(a={"pause_s": 5.0, "walkers": 2})))
    assert not changed(before, build(recipe(resources={"a": {"cpus": 8, "shards_per_element": 3}}, a={})))
    assert not changed(before, build(recipe(a={}), Cluster(name="far", kind="slurm"), "/elsewhere"))


def test_the_content_of_outside_files_is_part_of_the_identity() -> None:
    asked = recipe(a={"words": "words.txt"})
    assert changed(build(asked), build(asked, content="other text")) == {"a.make", "a.march", "a.gather"}


def test_resources_go_from_the_cluster_to_the_section_to_the_job() -> None:
    cluster = Cluster(name="x", kind="slurm", defaults={"data": Resources(cpus=2, mem_gb=3, time_min=5)})  # type: ignore[arg-type]
    given = {"a": {"time_min": 7, "mem_gb": 9}, "a.make": {"time_min": 8}}
    asked = build(recipe(resources=given, a={}), cluster).jobs["a.make"].resources
    assert (asked.cpus, asked.mem_gb, asked.time_min) == (2, 9, 8)


def test_shards_of_several_ranks_are_not_packed() -> None:
    jobs = build(recipe(resources={"a": {"shards_per_element": 5}}, a={"walkers": 2})).jobs
    assert [jobs[name].resources.shards_per_element for name in ("a.make", "a.march")] == [5, 1]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (recipe(a={"words": "from:b"}), "did you mean|known: a"),
        (recipe(a={"words": "from:b"}, b={"words": "from:a"}), "a -> b -> a"),
        (recipe(a={"words": "from:a"}), "a -> a"),
        (recipe(resources={"a.mkae": {"cpus": 2}}, a={}), "did you mean 'a.make'"),
        (recipe(resources={"a": {"cpus": "two"}}, a={}), r"resources\.a\.\w+\.cpus is 'two'"),
    ],
)
def test_a_reference_that_leads_nowhere_is_one_clear_error(asked: Recipe, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(asked)


def test_a_section_that_gives_another_kind_is_told_with_what_it_gives() -> None:
    tokens = read_recipe("demo").sections["tokens"]
    asked = Recipe("mine", "", ("tokens",), {"tokens": tokens, "web": ToyConfig(moods="m")}, {}, {})
    with pytest.raises(ConfigError, match="gives documents; web gives words"):
        build(asked)


def test_a_value_without_a_canonical_form_is_an_error() -> None:
    assert canonical({"b": [1, "ä"], "a": None}) == '{"a":null,"b":[1,"ä"]}'
    for value in (Path("x"), {1, 2}, object()):
        with pytest.raises(TypeError):
            canonical(value)
    with pytest.raises(ValueError, match="JSON"):
        canonical(math.nan)


def shipped(name: str) -> Graph:
    """Return the graph of a recipe that ships; every input of it is a hundred files."""

    def expand(value: Any, setting: str, reads: Reads) -> tuple[InputFile, ...]:
        return tuple(InputFile(Path(f"{number:03}"), "a") for number in range(100))

    return build_graph(read_recipe(name), LOCAL, RunPaths(Path("/runs")), expand, lambda file: [str(file.path)])


@pytest.mark.parametrize("name", known_recipes())
def test_steps_of_shipped_recipes_name_fields_and_steps_that_exist(name: str) -> None:
    for job in shipped(name).jobs.values():
        fields = set(type(job.config).model_fields)
        inputs = set(input_fields(job.config))
        assert {name.partition(".")[0] for name in job.step.uses} <= fields - inputs, (
            f"{job.name} uses what {job.section} does not have"
        )
        assert set(job.step.reads) <= inputs, f"{job.name} reads what {job.section} does not have"
        assert ":" in job.step.run


@pytest.mark.parametrize("name", known_recipes())
def test_every_reference_in_a_shipped_recipe_is_followed(name: str) -> None:
    graph = shipped(name)

    def references(config: StageConfig) -> set[str]:
        values = (getattr(config, field) for field in input_fields(config))
        return {value.removeprefix(FROM) for value in values if isinstance(value, str) and value.startswith(FROM)}

    for job in graph.jobs.values():
        needed = {
            need.partition(".")[0]
            for other in graph.jobs.values()
            if other.section == job.section
            for need in other.needs
        }
        assert references(job.config) <= needed
