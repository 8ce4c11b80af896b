"""Stages' own forecasts in the launcher: which machine they are asked about, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from jobs.plan.estimates import element_hours, node_gb
from jobs.plan.forecasts import forecasts, with_forecasts
from jobs.plan.graph import Job
from stages.shared.contract import Forecast, InputFile
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from tests.jobs import made
from tests.jobs.toy.config import ToyConfig


class Foretelling(ToyConfig):
    """A toy that needs a GPU and says what it was asked about."""

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast:
        if machine.gpu is None:
            raise ConfigError("layout", "x", "GPUs")
        data = {"step": step, "gpu": machine.gpu.type, "node": machine.ranks_per_node, "cores": machine.cores}
        return Forecast(headline="far", rows=(("way", "long"),), hours=5.0, mem_mb=64_000.0, data=data)


def training(**resources: Any) -> Job:
    job = made.job("a.x", ranks=16, ranks_per_node=4, cpus=2, **resources)
    return replace(job, config=Foretelling(moods="moods"), step=replace(job.step, shape="train"))


CLUSTER = made.slurm_cluster(gpu="h200")


def test_a_stage_is_asked_about_the_machine_that_its_job_gets() -> None:
    found = forecasts([training(gpus_per_node=4), made.job("a.y")], CLUSTER)
    assert {name: forecast.data for name, forecast in found.items()} == {
        "a.x": {"step": "x", "gpu": "h200", "node": 4, "cores": 2}
    }


def test_a_refusal_names_the_section_and_a_job_without_gpus_has_none() -> None:
    with pytest.raises(ConfigError, match=r"^a\.layout .*'x'.* GPUs"):
        forecasts([training()], CLUSTER)


def test_a_forecast_stands_in_for_the_steps_own_estimates() -> None:
    job = training(gpus_per_node=4)
    graph = with_forecasts(made.graph(job, made.job("a.y")), forecasts([job], CLUSTER))
    assert element_hours(graph.jobs["a.x"]) == 5.0
    assert node_gb(graph.jobs["a.x"]) == 16.0  # four nodes
    assert graph.jobs["a.x"].fingerprint == job.fingerprint
    assert graph.jobs["a.y"] == made.job("a.y")
