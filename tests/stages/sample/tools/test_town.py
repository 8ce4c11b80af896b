"""Forty APIs: collected from the files that describe them, they are those that the requests call."""

from __future__ import annotations

from pathlib import Path

from stages.formats.calls.apis import read_apis
from stages.sample.tools.config import ToolsConfig
from stages.sample.tools.town import MODELS, apis
from stages.tools.collect.config import CollectConfig
from tests.stages.harness import run_stage


def test_collected_from_the_openapi_file_and_the_listing_they_are_the_same(tmp_path: Path) -> None:
    made = run_stage(ToolsConfig(purpose="apis"), {}, tmp_path / "made")
    config = CollectConfig(files="x", read={"town": "openapi", "models": "hub"})
    (file,) = run_stage(config, {"files": tuple(made["api_files"])}, tmp_path / "collected")["apis"]
    found = read_apis(file.path)
    assert len(found) == 40
    assert sorted(found, key=str) == sorted(apis(), key=str)


def test_models_of_one_task_trade_accuracy_for_size() -> None:
    for task in {model.task for model in MODELS}:
        own = [model for model in MODELS if model.task == task]
        assert own == sorted(own, key=lambda model: model.accuracy) == sorted(own, key=lambda model: model.size)
