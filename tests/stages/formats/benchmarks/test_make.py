from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from lm_eval.tasks import TaskManager

from stages.formats.benchmarks.index import DataSet, read_index, write_index
from stages.formats.benchmarks.make import ROOT, lacking, make_index

FOLDERS = ("mmlu/default", "arc", "gsm8k", "humaneval", "piqa", "bbh/cot_fewshot", "minerva_math", "hendrycks_math")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """Return the index of some folders of the installed lm-eval: all of them take fifteen seconds."""
    folders = [ROOT / folder for folder in FOLDERS]
    return make_index(TaskManager(include_defaults=False, include_path=folders).task_index)


def test_the_shipped_index_is_that_of_the_installed_lm_eval(made: dict[str, Any]) -> None:
    index = read_index()
    assert index.harness == version("lm_eval"), "run `python -m stages.formats.benchmarks.make`"
    assert len(made["tasks"]) > 100
    for name, (file, data, shape) in made["tasks"].items():
        assert index.tasks[name] == (file, DataSet(*made["datasets"][data]), made["shapes"][shape]), name
    for name, (file, members) in made["groups"].items():
        assert index.groups[name] == (file, tuple(members)), name


def test_equal_content_makes_equal_bytes(made: dict[str, Any], tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_index(made, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_task_lacks_the_packages_of_its_modules_and_metrics_that_would_be_downloaded(tmp_path: Path) -> None:
    assert lacking({"process_docs": f"{ROOT}/minerva_math/utils.process_docs"}) == ("antlr4", "math_verify")
    assert lacking({"process_docs": f"{ROOT}/hendrycks_math/utils.process_docs"}) == ()
    assert lacking({"metric_list": [{"metric": "acc"}, {"metric": "rouge"}]}) == ("metric rouge",)
    assert lacking({"metric_list": [{"metric": "exact_match", "hf_evaluate": True}]}) == ("metric exact_match",)
