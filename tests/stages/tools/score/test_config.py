from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.tools.score.config import ScoreConfig

CONFIG = ScoreConfig(answers="a", apis="b", questions="c", hubs={"town": "huggingface"})


def files(source: str, *names: str) -> tuple[InputFile, ...]:
    return tuple(InputFile(Path(name), source) for name in names)


def test_each_file_of_answers_is_a_unit() -> None:
    inputs = {
        "answers": files("town", "/x/a.jsonl", "/y/a.jsonl"),
        "apis": files("town", "p"),
        "questions": files("town", "q"),
    }
    plan = CONFIG.plan(inputs)
    assert [unit.key for unit in plan.steps[0].units] == ["town/a.jsonl", "town/a.jsonl~2"]
    assert [output.kind.name for output in plan.outputs] == ["call_scores", "call_scores"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"answers": files("twon", "a")}, r"answers = 'twon': must be a mapping .*did you mean 'town'"),
        ({"answers": files("town", "a")}, r"apis = 'b': must be a mapping with one file of 'town', and it has 0"),
        ({"answers": files("town", "a"), "apis": files("town", "p"), "questions": files("town", "q", "r")}, "it has 2"),
    ],
)
def test_names_and_files_belong_together(inputs: dict[str, tuple[InputFile, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CONFIG.plan(inputs)
