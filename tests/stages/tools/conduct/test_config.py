from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.tools.conduct.config import ConductConfig

FILES = {"requests": (InputFile(Path("/x/requests.jsonl"), "town"),)}
CONTROLLER = {"url": "http://h/v1", "model": "m"}


def config(**settings: Any) -> ConductConfig:
    return ConductConfig.model_validate({"requests": "r", "controller": CONTROLLER, **settings})


def test_units_are_shares_of_files_and_where_endpoints_are_changes_nothing() -> None:
    plan = config(shares=2).plan(FILES)
    (step,) = plan.steps
    assert [unit.key for unit in step.units] == ["town/requests.jsonl/0-of-2", "town/requests.jsonl/1-of-2"]
    assert [output.kind.name for output in plan.outputs] == ["conducted", "conducted"]
    assert not any("url" in name for name in step.uses)
    eyes = {"experts": {"eyes": {"tasks": ["image-to-text"]}}}
    digests = [
        config(**eyes, endpoints={"eyes": {"url": url, "model": model}}).plan(FILES).steps[0].data
        for url, model in (("http://a/v1", "m"), ("http://b/v1", "m"), ("http://a/v1", "n"))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_search_has_an_index_of_its_own() -> None:
    plan = config(offline=["search"], corpus="c").plan(FILES)
    assert [step.name for step in plan.steps] == ["index", "conduct"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"offline": ["search"]}, "corpus = None: must be set, for search needs it"),
        ({"corpus": "c"}, "corpus = 'c': must be left out"),
        ({"offline": ["calendar"]}, "today = None: must be set"),
        ({"experts": {"eyes": {"tasks": ["image-to-text"]}}}, "experts of either `folders` or `endpoints`"),
        ({"endpoints": {"eyes": CONTROLLER}}, "with tasks of 'eyes'"),
        ({"controller": {"model": "m"}}, "`services` must have 'controller'"),
        (
            {"endpoints": {"eyes": {"model": "m"}}, "experts": {"eyes": {"tasks": ["image-to-text"]}}},
            r"endpoints.eyes.url = 'left out': must be set, or `services` must have 'eyes'",
        ),
    ],
)
def test_what_belongs_together_is_checked_before_anything_runs(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**settings).plan(FILES)


def test_a_folder_does_what_classifiers_do() -> None:
    files = {**FILES, "folders": (InputFile(Path("/m"), "sst2"),)}
    config(experts={"sst2": {"tasks": ["text-classification"]}}, folders={"sst2": "/m"}).plan(files)
    with pytest.raises(ConfigError, match=r"experts.sst2.tasks = \['translation'\]"):
        config(experts={"sst2": {"tasks": ["translation"]}}, folders={"sst2": "/m"}).plan(files)
    with pytest.raises(ValidationError, match="did you mean 'translation'"):
        config(experts={"x": {"tasks": ["translatoin"]}})
