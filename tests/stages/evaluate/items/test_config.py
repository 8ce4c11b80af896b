"""What `evaluate.items` is planned with."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.evaluate.cells import TaskSettings
from stages.evaluate.items.config import ItemsConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

FACTS = InputFile(Path("facts.jsonl"), "")


def config(*tasks: str) -> ItemsConfig:
    return ItemsConfig(tasks=tuple(TaskSettings(task=name) for name in tasks), facts="facts.jsonl")


def test_a_task_is_one_unit_whatever_its_settings_and_tasks_without_questions_are_none() -> None:
    settings = TaskSettings(task="facts"), TaskSettings(task="perplexity"), TaskSettings(task="generate")
    plan = ItemsConfig(tasks=settings, facts="facts.jsonl").plan({"facts": (FACTS,)})
    assert [unit.key for unit in plan.steps[0].units] == ["facts"]
    sweep = TaskSettings(task="piqa", num_fewshot=(0, 5), variant="llama")
    assert [cell.name for cell in ItemsConfig(tasks=(sweep,)).cells()] == ["piqa"]


def test_a_suite_stands_for_its_tasks() -> None:
    assert {"boolq", "piqa", "mmlu"} <= {cell.task for cell in config("suite:llama").cells()}


def test_what_cannot_be_loaded_is_refused_at_the_plan() -> None:
    with pytest.raises(ConfigError, match="one or more tasks with questions"):
        config("perplexity").plan({})
    with pytest.raises(ConfigError, match="a file, because `tasks` has 'facts'"):
        config("facts").plan({})
    with pytest.raises(ConfigError, match="prepared data"):
        config("piqa").plan({})
