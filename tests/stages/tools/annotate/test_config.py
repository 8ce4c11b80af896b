from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.tools.annotate.config import AnnotateConfig, Numbers

FILES = {
    "documents": (InputFile(Path("a.zst"), "web"), InputFile(Path("b.zst"), "web")),
    "checkpoint": (InputFile(Path("c"), ""),),
}


def config(**given: Any) -> AnnotateConfig:
    return AnnotateConfig(**{"documents": "d", "checkpoint": "c", "tokenizer": "t", "tool": "calculator", **given})


def test_each_share_of_a_file_is_a_unit_and_a_search_has_an_index() -> None:
    plan = config(shares=2).plan(FILES)
    assert [step.name for step in plan.steps] == ["annotate"]
    keys = ["web/a.zst/0-of-2", "web/a.zst/1-of-2", "web/b.zst/0-of-2", "web/b.zst/1-of-2"]
    assert [unit.key for unit in plan.steps[0].units] == keys
    assert [step.name for step in config(tool="search", corpus="x").plan(FILES).steps] == ["index", "annotate"]


def test_the_papers_numbers_apply_unless_others_are_given() -> None:
    assert config().numbers == Numbers(0.0, 0.5, 20, 10)
    assert config(tool="calendar", tau_f=0.0).numbers == Numbers(0.05, 0.0, 5, 5)


@pytest.mark.parametrize("given", [{"tool": "search"}, {"corpus": "x"}])
def test_a_search_and_its_corpus_belong_together(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="corpus = "):
        config(**given).plan(FILES)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"tool": "question"}, "a model that does it"),
        ({"endpoint": {"url": "http://h/v1", "model": "m"}}, "left out: calculator asks no model"),
        ({"tool": "translation", "endpoint": {"model": "m"}}, "set, or `services` must have 'endpoint'"),
    ],
)
def test_a_tool_that_is_a_model_has_an_endpoint_and_no_other_has(given: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        config(**given).plan(FILES)


def test_an_endpoint_may_be_a_service_and_its_model_is_part_of_a_unit() -> None:
    files = {**FILES, "services": (InputFile(Path("address.json"), "endpoint"),)}
    plans = [
        config(tool="question", endpoint={"model": name}, services={"endpoint": "from:served"}).plan(files)
        for name in ("one", "two")
    ]
    assert plans[0].steps[0].data != plans[1].steps[0].data


def test_a_search_plans_the_memory_of_its_index() -> None:
    files = {**FILES, "corpus": (InputFile(Path("c.zst"), "", mb=50),)}
    index, annotate = config(tool="search", corpus="x").plan(files).steps
    (without,) = config().plan(FILES).steps
    assert index.mem_mb > annotate.mem_mb - without.mem_mb > 500
