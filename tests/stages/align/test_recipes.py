"""The shipped alignments fit on the cluster of the example file, at every size."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from jobs.plan.cluster import load_cluster
from jobs.plan.recipe import read_recipe
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.train.planner.cost import PlannedTraining
from stages.train.planner.forecast import forecast
from stages.train.planner.search import RESERVE
from stages.train.planner.shape import Layout
from stages.train.stage import TrainingStage
from tests.launching import ROOT

SIZES = ("", "-13b", "-33b", "-65b")
METHODS = ("reward", "dpo", "ppo", "grpo")
NODES = Machine(gpu=load_cluster("example-slurm").gpu, ranks_per_node=4)
MODELS = {
    "reward": ["model"],
    "dpo": ["policy", "reference"],
    "ppo": ["policy", "value", "reward", "reference"],
    "grpo": ["policy", "reward", "reference"],
}


def training(name: str) -> PlannedTraining:
    sections = read_recipe(name).sections
    config = sections["ppo" if name.startswith("grpo") else name.partition("-")[0]]
    assert isinstance(config, TrainingStage)
    return config.planned({})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_a_layout_fits_and_no_other_of_as_many_gpus_is_much_faster(method: str, size: str) -> None:
    found = forecast(training(method + size), NODES)
    assert sum(found.data["memory_gb"].values()) < 85 * (1 - RESERVE)
    assert found.data["faster"] is None
    assert [*found.data["models_gb"]] == MODELS[method]
    assert sum(found.data["phases_h"].values()) == pytest.approx(found.hours)
    assert 0 < found.hours < 48


def test_too_few_gpus_are_refused_with_the_memory_of_each_model_and_a_number_that_does() -> None:
    with pytest.raises(ConfigError) as caught:
        forecast(replace(training("ppo-65b"), layout=Layout(tp=4, pp=2, dp=4, sp=True)), NODES)
    said = str(caught.value)
    assert "must be one that fits into h100-80gb; it takes " in said
    assert "on that rank policy " in said and "value " in said and "reference " in said
    assert "No layout of 32 GPUs does; of 64 this one does: tp 4 pp 8 dp 2 sp " in said


def test_they_are_planned_without_torch() -> None:
    code = (
        "import sys; from tests.stages.align.test_recipes import METHODS, NODES, forecast, training;"
        "[forecast(training(method), NODES) for method in METHODS]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
