"""Recipe to jobs: what units need and read, and identities that depend only on what changes their bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest

from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster, Resources
from jobs.plan.extends import known_recipes
from jobs.plan.graph import External, Graph, Need, build_graph, canonical, used_settings
from jobs.plan.recipe import Recipe, read_recipe
from stages.formats.kinds import KINDS
from stages.shared.contract import (
    ALL,
    FROM,
    PARTS,
    SAME,
    WHOLE,
    After,
    InputFile,
    Inputs,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
)
from stages.shared.errors import ConfigError
from stages.web.config import WebConfig
from tests.jobs.toy.config import STEPS, ToyConfig

LOCAL = Cluster(name="local", kind="local")
ROOT = "/runs/mine"


class Choosy(ToyConfig):
    """A toy with units that differ in what they use and read."""

    left: int = 1
    right: int = 1
    keys: tuple[str, ...] = ("l", "r")

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return steps that use settings by unit, read fellows, read all, and read files."""
        uses = {"l": ("left",), "r": ("right",)}
        own = tuple(Unit(key=key, uses=uses.get(key, ())) for key in self.keys)
        plain = tuple(Unit(key=key) for key in self.keys)
        files = inputs.get("letters", ())
        each = tuple(Unit(key=file_key(file), inputs={"letters": (file,)}) for file in files)
        return StagePlan(
            steps=(
                Step(name="own", run="x:y", units=own, uses=("text",)),
                Step(name="copy", run="x:y", units=plain, uses=(), after=(After("own", SAME),)),
                Step(name="join", run="x:y", units=WHOLE, uses=(), after=(After("copy", ALL),)),
                Step(name="read", run="x:y", units=(*each, Unit(key="sum")), uses=(), reads=("letters", "words")),
            ),
            outputs=(),
        )


def recipe(targets: tuple[str, ...] = (), resources: dict[str, Any] | None = None, **sections: Any) -> Recipe:
    made = {name: ToyConfig(moods="moods", **settings) for name, settings in sections.items()}
    return Recipe("mine", "", targets or tuple(made), made, resources or {}, {})


def choosy(**settings: Any) -> Recipe:
    return Recipe("mine", "", ("a",), {"a": Choosy(moods="moods", **settings)}, {}, {})


def build(
    asked: Recipe,
    cluster: Cluster = LOCAL,
    root: str = ROOT,
    contents: Mapping[str, str] | None = None,
) -> Graph:
    """Return a graph over made-up files: a glob is all names of `contents`, whose values are their identities."""
    known = contents or {}

    def expand(value: Any, setting: str, reads: Reads) -> list[External]:
        source, pattern = next(iter(value.items())) if isinstance(value, dict) else ("", value)
        names = sorted(known) if "*" in pattern else [pattern]
        return [
            External(InputFile(Path("/data", name), source or name), [source or name, known.get(name, "text")])
            for name in names
        ]

    return build_graph(asked, cluster, RunPaths(Path(root)), expand, lambda job: {})


def identities(graph: Graph) -> dict[tuple[str, str], str]:
    return {(name, unit.key): unit.identity for name, job in graph.jobs.items() for unit in job.units.values()}


def changed(before: Graph, after: Graph) -> dict[str, set[str]]:
    """Return the keys of the units of `after` that `before` has not, by job."""
    old, found = identities(before), dict[str, set[str]]()
    for (name, key), identity in identities(after).items():
        if old.get((name, key)) != identity:
            found.setdefault(name, set()).add(key)
    return found


def inputs_of(graph: Graph, job: str = "b.make", field: str = "words") -> list[tuple[str, str]]:
    """Return source and name of the files that a job reads."""
    return [(file.source, file.path.name) for file in graph.jobs[job].inputs[field]]


def test_each_job_comes_after_what_it_needs() -> None:
    graph = build(recipe(b={"words": "from:a"}, a={}))
    assert list(graph.jobs) == ["a.make", "a.march", "a.gather", "b.make", "b.march", "b.gather"]
    assert graph.jobs["b.make"].upstream == ("a.gather",)
    assert graph.jobs["b.make"].needs == {"a.gather": frozenset(graph.jobs["a.gather"].units)}
    assert graph.jobs["a.gather"].upstream == ("a.make", "a.march")
    assert graph.jobs["a.gather"].needs["a.make"] == frozenset(graph.jobs["a.make"].units)
    assert graph.downstream("a.march") == ("a.gather", "b.make", "b.march", "b.gather")


def test_only_what_the_targets_need_is_built() -> None:
    graph = build(recipe(("b",), a={}, b={"words": "from:a"}, c={}))
    assert {job.section for job in graph.jobs.values()} == {"a", "b"}


def test_inputs_from_another_job_are_its_files_to_be() -> None:
    graph = build(recipe(a={}, b={"words": "from:a"}))
    gather = graph.jobs["a.gather"]
    (unit,) = gather.units
    path = RunPaths(Path(ROOT)).step("a.gather", gather.fingerprint).unit(unit) / "all.txt"
    file = InputFile(path, "toy", kind="words", section="a", unit="all")
    assert graph.jobs["b.make"].inputs == {"words": (file,)}
    assert graph.jobs["b.march"].inputs == {}, "a step sees only what it says it reads"


def test_a_changed_setting_changes_the_units_that_use_it_and_what_follows() -> None:
    asked: dict[str, Any] = {"a": {}, "b": {"words": "from:a"}}
    before = build(recipe(**asked))
    assert changed(before, build(recipe(a={"paces": 9}, b=asked["b"]))) == {
        "a.march": {"all"},
        "a.gather": {"all"},
        "b.make": {"0", "1", "2"},
        "b.march": {"all"},
        "b.gather": {"all"},
    }
    assert set(changed(before, build(recipe(a={}, b={"words": "from:a", "paces": 9})))) == {"b.march", "b.gather"}


def test_a_setting_that_one_unit_uses_changes_this_unit_its_fellow_and_who_reads_all() -> None:
    found = changed(build(choosy()), build(choosy(left=2)))
    assert found == {"a.own": {"l"}, "a.copy": {"l"}, "a.join": {"all"}}
    before, after = build(choosy()), build(choosy(text="other"))
    assert changed(before, after) == {"a.own": {"l", "r"}, "a.copy": {"l", "r"}, "a.join": {"all"}}


def test_a_unit_waits_for_its_fellow_alone_and_one_that_reads_all_for_every_unit() -> None:
    jobs = build(choosy()).jobs
    own = {unit.key: unit for unit in jobs["a.own"].units.values()}
    for unit in jobs["a.copy"].units.values():
        assert unit.needs == (Need("a.own", own[unit.key].folder),)
    assert (jobs["a.copy"].needs, jobs["a.copy"].same, jobs["a.copy"].whole) == ({}, {"own": "a.own"}, {})
    assert jobs["a.join"].needs == {"a.copy": frozenset(jobs["a.copy"].units)}
    assert (jobs["a.join"].whole, jobs["a.join"].upstream) == ({"copy": "a.copy"}, ("a.copy",))


class Parted(ToyConfig):
    """A toy whose first unit has two parts."""

    count: int = 2
    words: str = ""
    version: int = 1
    """Of the step of parts."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return a step of parts, and one that reads them."""
        units = (Unit(key="m/1", data=self.words, parts=self.count), Unit(key="n"))
        parts = Step(name="parts", run="x:y", units=(), uses=(), version=self.version)
        return StagePlan(
            steps=(parts, Step(name="", run="x:y", units=units, uses=(), after=(After("parts", PARTS),))), outputs=()
        )


def test_a_unit_waits_for_its_own_parts_alone() -> None:
    def parted(**settings: Any) -> Graph:
        return build(Recipe("mine", "", ("a",), {"a": Parted(moods="moods", **settings)}, {}, {}))

    jobs = parted().jobs
    whole, plain = jobs["a"].units.values()
    assert [unit.key for unit in jobs["a.parts"].units.values()] == ["m/1/part-0-of-2", "m/1/part-1-of-2"]
    assert whole.needs == tuple(Need("a.parts", folder) for folder in jobs["a.parts"].units)
    assert (plain.needs, jobs["a"].needs, jobs["a"].parted) == ((), {}, {"parts": "a.parts"})
    for count in (0, 3):
        assert "a" not in changed(parted(), parted(count=count)), "as many parts as are good today"
    assert changed(parted(), parted(words="others"))["a"] == {"m/1"}, "data that ships with the code of one unit"
    with pytest.raises(ValueError, match=r"a: depends on .*, and its parts on .*no part of its identity"):
        parted(version=2)


def test_one_more_unit_changes_no_other_and_its_place_is_no_part_of_an_identity() -> None:
    before = build(choosy(keys=("l", "r")))
    assert changed(before, build(choosy(keys=("l", "m", "r")))) == {"a.own": {"m"}, "a.copy": {"m"}, "a.join": {"all"}}
    assert changed(before, build(choosy(keys=("l",)))) == {"a.join": {"all"}}
    assert changed(before, build(choosy(keys=("r", "l")))) == {"a.join": {"all"}}, "who reads all reads them in order"


def test_two_units_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.own: two units have one key"):
        build(choosy(keys=("l", "l")))


FILES = {"1.txt": "one", "2.txt": "two", "3.txt": "three"}


def test_one_more_file_of_a_glob_is_one_more_unit() -> None:
    asked = recipe(a={"letters": "*.txt"})
    before = build(asked, contents={"1.txt": "one", "3.txt": "three"})
    assert [unit.key for unit in before.jobs["a.make"].units.values()] == ["1.txt/1.txt", "3.txt/3.txt"]
    assert changed(before, build(asked, contents=FILES)) == {
        "a.make": {"2.txt/2.txt"},
        "a.march": {"all"},
        "a.gather": {"all"},
    }
    assert changed(build(asked, contents=FILES), before) == {"a.march": {"all"}, "a.gather": {"all"}}


def test_content_and_source_of_a_units_file_are_part_of_its_identity_alone() -> None:
    before = build(recipe(a={"letters": "*.txt"}), contents=FILES)
    other = build(recipe(a={"letters": "*.txt"}), contents={**FILES, "2.txt": "too"})
    assert changed(before, other)["a.make"] == {"2.txt/2.txt"}
    named = build(recipe(a={"letters": {"s": "*.txt"}}), contents=FILES)
    assert changed(before, named)["a.make"] == {"s/1.txt", "s/2.txt", "s/3.txt"}


def test_a_unit_that_reads_a_field_whole_depends_on_all_its_files() -> None:
    before = build(choosy(letters="*.txt"), contents=FILES)
    assert changed(before, build(choosy(letters="*.txt"), contents={**FILES, "2.txt": "too"})) == {
        "a.read": {"2.txt/2.txt", "sum"}
    }
    whole = {unit.key: unit for unit in before.jobs["a.read"].units.values()}
    assert [file.path.name for file in whole["sum"].inputs["letters"]] == sorted(FILES)
    assert [file.path.name for file in whole["1.txt/1.txt"].inputs["letters"]] == ["1.txt"]


def test_what_every_unit_reads_is_part_of_every_identity() -> None:
    asked = recipe(a={"words": "words.txt"})
    found = changed(build(asked), build(asked, contents={"words.txt": "other"}))
    assert found == {"a.make": {"0", "1", "2"}, "a.march": {"all"}, "a.gather": {"all"}}


def test_an_edited_list_that_ships_with_the_code_changes_the_steps_that_read_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Recipe("mine", "", ("web",), {"web": WebConfig(inputs="x", exact={"parts": 1})}, {}, {})
    before = build(asked)
    monkeypatch.setattr("stages.text.word_lists.shipped_text", lambda package, name: "edited\n")
    assert set(changed(before, build(asked))) == set(before.jobs)
    monkeypatch.undo()
    assert not changed(before, build(asked))


def test_a_declared_version_changes_every_unit_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    before, declared = build(choosy()), Choosy.plan

    def newer(config: Choosy, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        own, *others = declared(config, inputs).steps
        raised = Step(name=own.name, run=own.run, units=own.units, uses=own.uses, version=own.version + 1)
        return StagePlan(steps=(raised, *others), outputs=())

    monkeypatch.setattr(Choosy, "plan", newer)
    assert changed(before, build(choosy()))["a.own"] == {"l", "r"}


def test_a_step_may_use_one_setting_of_a_section() -> None:
    config = WebConfig(inputs="x", language={"min_score": 0.5})
    assert used_settings(config, ("language.languages", "rejects_per_reason")) == {
        "language.languages": ["en"],
        "rejects_per_reason": 20,
    }
    assert used_settings(config, ("language",))["language"]["min_score"] == 0.5


def test_where_and_how_it_runs_is_no_part_of_an_identity() -> None:
    before = build(recipe(a={}))
    assert not changed(before, build(recipe(a={"pause_s": 5.0, "walkers": 2})))
    assert not changed(before, build(recipe(resources={"a": {"cpus": 8, "units_per_element": 3}}, a={})))
    assert not changed(before, build(recipe(a={}), Cluster(name="far", kind="slurm", max_array_size=2), "/elsewhere"))


def test_resources_go_from_the_cluster_to_the_section_to_the_job() -> None:
    cluster = Cluster(name="x", kind="slurm", defaults={"data": Resources(cpus=2, mem_gb=3, time_min=5)})  # type: ignore[arg-type]
    given = {"a": {"time_min": 7, "mem_gb": 9}, "a.make": {"time_min": 8}}
    asked = build(recipe(resources=given, a={}), cluster).jobs["a.make"].resources
    assert (asked.cpus, asked.mem_gb, asked.time_min) == (2, 9, 8)


def test_units_of_several_ranks_are_not_packed() -> None:
    cluster = Cluster(name="x", kind="slurm")
    jobs = build(recipe(resources={"a": {"units_per_element": 5}}, a={"walkers": 2}), cluster).jobs
    assert [jobs[name].resources.units_per_element for name in ("a.make", "a.march")] == [5, 1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("from:a", [("toy", "all.txt")]),
        (["from:a", "from:b"], [("toy", "all.txt"), ("toy", "all.txt")]),
        (["from:b", "one.txt", "from:a"], [("toy", "all.txt"), ("one.txt", "one.txt"), ("toy", "all.txt")]),
        ({"x": "from:a", "w": "one.txt"}, [("w", "one.txt"), ("x", "all.txt")]),
        (
            {"x": "from:a", "y": ["from:b", "*.txt"]},
            [("x", "all.txt"), ("y", "all.txt"), ("y", "1.txt"), ("y", "2.txt"), ("y", "3.txt")],
        ),
    ],
)
def test_other_sections_and_files_mix_in_lists_and_mappings(value: Any, expected: list[tuple[str, str]]) -> None:
    graph = build(recipe(("c",), a={}, b={}, c={"words": value}), contents=FILES)
    assert inputs_of(graph, "c.make") == expected
    sections = {file.section for file in graph.jobs["c.make"].inputs["words"]} - {""}
    assert set(graph.jobs["c.make"].needs) == {f"{section}.gather" for section in sections}


class Reader(ToyConfig):
    """A toy with a field for milestones, of which one unit of the march offers several."""

    steps: Annotated[Inputs | None, Reads(STEPS)] = None

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return a unit for each milestone."""
        units = tuple(Unit(key=file.source, inputs={"steps": (file,)}) for file in inputs["steps"])
        return StagePlan(steps=(Step(name="", run="x:y", units=units, uses=(), reads=("steps",)),), outputs=())


def reading(steps: Any, milestones: Sequence[int] = (1, 2)) -> Graph:
    sections = {
        "a": ToyConfig(moods="m", paces=3, milestones=tuple(milestones)),
        "b": Reader(moods="m", steps=steps),
    }
    return build(Recipe("mine", "", ("b",), sections, {}, {}))


def test_of_several_outputs_of_one_unit_each_keeps_its_own_name_behind_the_mappings() -> None:
    assert [unit.key for unit in reading("from:a").jobs["b"].units.values()] == ["pace-1", "pace-2"]
    assert [unit.key for unit in reading({"x": "from:a"}).jobs["b"].units.values()] == ["x/pace-1", "x/pace-2"]


def test_an_output_that_appears_during_a_unit_is_waited_for_by_itself() -> None:
    graph = reading("from:a")
    (march,) = graph.jobs["a.march"].units.values()
    needs = [unit.needs for unit in graph.jobs["b"].units.values()]
    assert needs == [(Need("a.march", march.folder, name),) for name in ("pace-1", "pace-2")]
    assert needs[0][0].name == f"{march.folder}/pace-1"
    (file,) = next(iter(graph.jobs["b"].units.values())).inputs["steps"]
    step = RunPaths(Path(ROOT)).step("a.march", graph.jobs["a.march"].fingerprint)
    assert file.path == step.published(march.folder) / "pace-1"
    assert graph.jobs["b"].upstream == ("a.march",)


@pytest.mark.parametrize(
    ("asked", "setting", "said"),
    [
        (recipe(a={"words": "from:b"}), "a.words", "known: a"),
        (recipe(a={"words": ["x.txt", "from:b"]}), "a.words", "known: a"),
        (recipe(a={"words": {"x": ["from:b"]}}), "a.words", "known: a"),
        (recipe(a={"words": "from:b"}, b={"words": "from:a"}), "b.words", "a -> b -> a"),
        (recipe(a={"words": {"x": "from:a"}}), "a.words", "a -> a"),
        (recipe(("c",), a={"words": "from:b"}, b={"words": "from:a"}, c={"words": "from:a"}), "b.words", "a -> b -> a"),
        (recipe(resources={"a.mkae": {"cpus": 2}}, a={}), "resources.a.mkae", "did you mean 'a.make'"),
        (recipe(resources={"a": {"cpus": "two"}}, a={}), "resources.a.make.cpus", "integer"),
    ],
)
def test_a_reference_that_leads_nowhere_is_one_error_that_names_the_setting(
    asked: Recipe, setting: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(asked)
    assert caught.value.setting == setting
    assert said in str(caught.value)


def test_a_section_that_gives_another_kind_is_refused_with_what_it_gives() -> None:
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
    """Return the graph of a recipe that ships; an input of it is a hundred files, those of a mapping, or one."""

    def expand(value: Any, setting: str, reads: Reads) -> list[External]:
        if isinstance(value, Mapping):
            return [External(InputFile(Path(path), key), [key, path]) for key, path in value.items()]
        one = setting.startswith("ppo") and setting.endswith((".policy", ".reward"))
        is_one = reads.kind in (KINDS.tokenizer, KINDS.state, KINDS.release) or one
        names = [f"{number:03}" for number in range(1 if is_one else 100)]
        return [External(InputFile(Path(each), "a"), ["a", each]) for each in names]

    return build_graph(read_recipe(name), LOCAL, RunPaths(Path("/runs")), expand, lambda job: {})


@pytest.mark.parametrize("name", known_recipes())
def test_steps_of_shipped_recipes_name_fields_and_steps_that_exist(name: str) -> None:
    for job in shipped(name).jobs.values():
        fields = set(type(job.config).model_fields)
        inputs = set(job.config.input_fields())
        used = {*job.step.uses, *(use for unit in job.step.units for use in unit.uses)}
        assert {use.partition(".")[0] for use in used} <= fields - inputs, (
            f"{job.name} uses what {job.section} does not have"
        )
        assert set(job.step.reads) <= inputs, f"{job.name} reads what {job.section} does not have"
        assert ":" in job.step.run


@pytest.mark.parametrize("name", known_recipes())
def test_every_reference_in_a_shipped_recipe_is_followed(name: str) -> None:
    graph = shipped(name)

    def references(config: StageConfig) -> set[str]:
        values = (getattr(config, field) for field in config.input_fields())
        return {value.removeprefix(FROM) for value in values if isinstance(value, str) and value.startswith(FROM)}

    for job in graph.jobs.values():
        needed = {
            need.partition(".")[0]
            for other in graph.jobs.values()
            if other.section == job.section
            for need in other.upstream
        }
        assert references(job.config) <= needed
