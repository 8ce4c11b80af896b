"""Settings of the judge: one judge, known policies and rubrics, and the step that each judge has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.align.judge.config import RUBRICS, JudgeConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.train.state.names import FINAL, UNTRAINED

TEACHER = {"url": "http://node7:8000/v1", "model": "m"}
FILES = {"answers": (InputFile(Path("a"), "sft"), InputFile(Path("b"), "ppo"))}


def configured(**given: Any) -> JudgeConfig:
    return JudgeConfig.model_validate({"answers": "x", "against": "sft", "teacher": TEACHER, **given})


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"teacher": None}, "reward"),
        ({"reward": "x", "tokenizer": "x"}, "reward"),
        ({"tokenizer": "x"}, "tokenizer"),
        ({"teacher": None, "reward": "x"}, "tokenizer"),
        ({"margin": 0.5}, "margin"),
        ({"teacher": None, "reward": "x", "tokenizer": "x", "rubrics": ["helpful"]}, "rubrics"),
        ({"teacher": None, "reward": "x", "tokenizer": "x", "form": "scores"}, "form"),
        ({"teacher": None, "reward": "x", "tokenizer": "x", "pictures": "x"}, "pictures"),
    ],
)
def test_there_is_one_judge_with_what_it_needs(given: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=f"^{setting} = "):
        configured(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"against": "base"}, "against = 'base': must be the name of a policy in answers; known: ppo, sft"),
        ({"rubrics": ["helpfull"]}, "rubrics = 'helpfull': must be a name, or the path .*did you mean 'helpful'"),
        ({"rubrics": ["./none.txt"]}, "rubrics = './none.txt': must be a name, or the path of a text file"),
        ({"rubrics": ["helpful", str(RUBRICS / "helpful.txt")]}, "helpful is there twice"),
        ({"rubrics": ["helpful", "helpful"]}, "helpful is there twice"),
    ],
)
def test_a_policy_or_rubric_that_is_none_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configured(**given).plan(FILES)


def test_shards_are_parts_and_the_words_of_a_rubric_belong_to_their_identity(tmp_path: Path) -> None:
    share, judge = configured(shards=3).plan(FILES).steps
    assert (share.units, [(unit.key, unit.parts) for unit in judge.units]) == ((), [("all", 3)])
    assert share.resumes
    assert (share.uses, share.reads, share.data) == (judge.uses, judge.reads, judge.data)
    rubric = tmp_path / "mine.txt"
    digests = set()
    for text in ("one", "two"):
        rubric.write_text(text)
        digests.add(configured(rubrics=[str(rubric)]).plan(FILES).steps[0].data)
    assert len(digests) == 2


def test_of_a_section_the_final_reward_model_judges(tmp_path: Path) -> None:
    config = configured(teacher=None, reward="from:rm", tokenizer="x")
    made = tuple(InputFile(tmp_path / name, name, section="rm") for name in (FINAL, UNTRAINED))
    _, judge = config.plan({**FILES, "reward": made}).steps
    assert [file.path.name for file in judge.units[0].inputs["reward"]] == [FINAL]
    with pytest.raises(ConfigError, match="one folder"):
        config.plan({**FILES, "reward": made[1:]})
    with pytest.raises(DataError):
        config.inspect({"reward": (InputFile(tmp_path / "none", ""),)})


@pytest.mark.parametrize("text", ["", "\n\n", "no answer\n", '{"messages": []}\n'])
def test_a_file_without_answers_is_named_before_anything_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "sft.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"sft\.jsonl"):
        configured().inspect({"answers": (InputFile(tmp_path / "sft.jsonl", "sft"),)})
    configured().inspect({"answers": (InputFile(tmp_path / "of the run", "sft", section="answers"),)})


@pytest.mark.parametrize("name", ["helpful", "harmless", "honest"])
def test_each_rubric_is_one_paragraph(name: str) -> None:
    text = (RUBRICS / f"{name}.txt").read_text(encoding="utf-8")
    assert "The better response" in text
    assert len(text.splitlines()) == 1
