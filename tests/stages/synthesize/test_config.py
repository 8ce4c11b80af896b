from pathlib import Path
from typing import Any

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.synthesize.config import SynthesizeConfig

TEACHER = {"url": "http://localhost:1/v1", "model": "m"}
ONE = {"read": {"x": {"format": "dolly"}}, "files": {"x": "x.jsonl"}}


def inputs(*names: str) -> dict[str, tuple[InputFile, ...]]:
    return {"files": tuple(InputFile(Path(name), "x") for name in names)}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "read = None: must be given, or one of self_instruct, alpaca, evol_instruct"),
        ({**ONE, "alpaca": {"instructions": 1}}, "alpaca = .*must be left out: read is given"),
        ({"read": ONE["read"]}, r"files = None: must be given for read \(for example"),
        ({**ONE, "chats": "from:x"}, "chats = 'from:x': must be left out: read reads files"),
        ({"evol_instruct": {}, "files": "x"}, "files = 'x': must be left out: evol_instruct reads chats"),
        ({"evol_instruct": {}, "chats": "x"}, "teacher = None: must be given"),
        ({"evol_instruct": {"language": "zz"}, "chats": "x", "teacher": TEACHER}, "evol_instruct.language = 'zz'"),
        ({"read": {"y": {"format": "dolly"}}, "files": "x"}, "files = 'x': must be a mapping from names in `read`"),
        ({"read": {**ONE["read"], "y": {"format": "dolly"}}, "files": "x"}, "a mapping with files of 'y'"),
    ],
)  # fmt: skip
def test_settings_that_do_not_belong_together_are_refused(given: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        SynthesizeConfig(**given).plan(inputs("x.jsonl"))


def test_each_file_is_a_unit_and_another_format_is_another_one() -> None:
    config = SynthesizeConfig(**ONE)
    (step,) = config.plan(inputs("a/x.jsonl", "b/x.jsonl.gz", "c/x.jsonl")).steps
    assert [unit.key for unit in step.units] == ["x/x.jsonl", "x/x.jsonl.gz", "x/x.jsonl~2"]
    assert {unit.uses for unit in step.units} == {("read.x",)}
    with pytest.raises(ConfigError, match=r"files of \.json, \.jsonl"):
        config.plan(inputs("x.parquet"))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('[{"conversations": []}]', r"read.x.format = 'dolly': must be the format of .*\(for example sharegpt\)"),
        ('{"instruction": "", "output": ""}', "for example alpaca"),
        ('{"question": ""}', "read.x.format = 'dolly': .*: fields instruction, response"),
        ("3", "read.x.format = 'dolly'"),
    ],
)
def test_a_plan_looks_at_the_first_record(tmp_path: Path, content: str, match: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigError, match=match):
        SynthesizeConfig(**ONE).inspect(inputs(str(path)))
    path.write_text('{"instruction": "", "response": ""}')
    SynthesizeConfig(**ONE).inspect(inputs(str(path)))


def test_seed_tasks_have_the_format_of_self_instruct(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text('{"instruction": ""}')
    config = SynthesizeConfig(files=str(path), self_instruct={"instructions": 3}, teacher=TEACHER)
    with pytest.raises(ConfigError, match=r"files = .*: must be seed tasks with fields instruction, instances"):
        config.inspect(inputs(str(path)))


def test_the_endpoint_is_in_no_identity_and_the_model_is() -> None:
    config = SynthesizeConfig(chats="x", evol_instruct={}, teacher=TEACHER, shares=3)
    plan = config.plan({"chats": ()})
    (step,) = plan.steps
    assert step.uses == ("evol_instruct", "teacher.model", "parameters", "originals", "seed")
    assert [output.kind.name for output in plan.outputs] == ["chats"] * 3 + ["synthesis"] * 3
