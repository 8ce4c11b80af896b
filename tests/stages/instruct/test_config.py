from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.instruct.config import InstructConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

QA = {"mixture": "flan", "templates": ["question_answer"]}
FILES = tuple(InputFile(Path(f"/data/{name}.jsonl"), task) for name, task in (("a", "add"), ("b", "add"), ("m", "mul")))
PROMPTS = (InputFile(Path("/data/templates.yaml"), "mul"),)


def config(**given: Any) -> InstructConfig:
    tasks = {"add": QA, "mul": {"mixture": "flan", "cluster": "product"}}
    return InstructConfig(
        **{"files": "x", "tokenizer": "x", "draws": 9, "tasks": tasks, "mixtures": {"flan": {"share": 1}}, **given}
    )


def plan(given: InstructConfig, files: tuple[InputFile, ...] = FILES, prompts: tuple[InputFile, ...] = PROMPTS) -> Any:
    return given.plan({"files": files, "prompts": prompts, "tokenizer": ()})


def test_a_unit_is_a_task_file_with_the_templates_of_its_task() -> None:
    render, draw, mix = plan(config(shares=3)).steps
    assert [unit.key for unit in render.units] == ["add/a.jsonl", "add/b.jsonl", "mul/m.jsonl"]
    assert [unit.inputs["prompts"] for unit in render.units] == [(), (), PROMPTS]
    assert [unit.uses for unit in render.units] == [("tasks.add",), ("tasks.add",), ("tasks.mul",)]
    assert render.units[0].data != render.units[2].data
    assert (len(draw.units), len(mix.units)) == (1, 3)
    assert [output.kind.name for output in plan(config(shares=2)).outputs] == ["chats", "chats", "mixture"]


def test_a_task_of_a_held_out_cluster_is_not_rendered() -> None:
    render = plan(config(held_out=["product"])).steps[0]
    assert [unit.key for unit in render.units] == ["add/a.jsonl", "add/b.jsonl"]


@pytest.mark.parametrize(
    ("given", "files", "message"),
    [
        ({}, FILES[:2], r"files = 'x': must be a mapping with files of 'mul'"),
        ({}, (*FILES, replace(FILES[0], source="ad")), r"files = 'ad': must be .*did you mean 'add'"),
        ({}, (*FILES, InputFile(Path("x.csv"), "add")), r"files = 'x.csv': must be files of .jsonl"),
        ({"tasks": {"add": QA, "mul": {"mixture": "flna"}}}, FILES, r"tasks.mul.mixture = 'flna': .* mean 'flan'"),
        ({"tasks": {"add": {"mixture": "flan"}, "mul": QA}}, FILES, r"tasks.add.templates = \[\]: must be templates"),
        (
            {"tasks": {"add": {**QA, "templates": ["options"]}, "mul": QA}},
            FILES,
            r"tasks.add.templates = 'options': must be a file of templates/flan",
        ),
        ({"held_out": ["products"]}, FILES, r"held_out = 'products': must be .* mean 'product'"),
        (
            {"tasks": {name: {**QA, "cluster": "all"} for name in ("add", "mul")}, "held_out": ["all"]},
            FILES,
            r"held_out = \['all'\]: must be clusters that leave a task",
        ),
    ],
)
def test_settings_that_cannot_work_are_named(given: Any, files: tuple[InputFile, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(config(**given), files)
