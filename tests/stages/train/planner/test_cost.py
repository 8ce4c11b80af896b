"""Hours, energy and carbon: against what LLaMA's authors published, with the planner's own choice of layout."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.shared.machine import Machine
from stages.train.planner.cost import CUDA_PROCESS_MB, Cost, PlannedTraining, host_mb, training_cost
from stages.train.planner.phases import step_time
from stages.train.planner.search import ranked
from stages.train.planner.shape import Layout
from stages.train.planner.speed import StepTime
from stages.train.sections import RampConfig
from tests.stages.train.planner.llama import A100, LLAMA, MAY, NODES, Published

SECONDS = {"tensor": 0.0, "pipeline": 0.0, "data": 0.0, "optimizer": 0.0}


def planned(model: Published) -> Cost:
    best = ranked(model.work, model.ranks, NODES, MAY)[0]
    print(best.layout, "microbatch", best.layout.microbatch, f"{best.memory.total / 1e9:.0f} GB", best.time)
    training = PlannedTraining(work=model.work, layout=best.layout, steps=model.steps, may=MAY)
    return training_cost(training, best.time, NODES)


@pytest.mark.parametrize("name", LLAMA)
def test_llamas_gpu_hours_are_foretold_within_15_percent_by_one_setting(name: str) -> None:
    model = LLAMA[name]
    cost = planned(model)
    print(
        f"{name}: {cost.gpu_hours:,.0f} of {model.gpu_hours:,} GPU-hours, {cost.gpu_hours / model.gpu_hours - 1:+.1%}"
    )
    assert model.work.shape.parameters == model.parameters
    assert cost.gpu_hours == pytest.approx(model.gpu_hours, rel=0.15)


def test_the_largest_models_speed_is_foretold() -> None:
    speed = planned(LLAMA["65B"]).tokens_per_s / 2048
    assert speed == pytest.approx(380, rel=0.15)  # section 2.4: tokens a second and GPU
    assert 24 * 21 * 3600 * speed * 2048 == pytest.approx(1.4e12, rel=0.15)  # in 21 days


@pytest.mark.parametrize("name", LLAMA)
def test_energy_and_carbon_follow_from_hours_as_in_the_papers_table(name: str) -> None:
    model = LLAMA[name]
    step = model.gpu_hours * 3600 / model.gpus / model.steps
    training = PlannedTraining(work=model.work, layout=Layout(dp=model.gpus), steps=model.steps, may=())
    cost = training_cost(training, StepTime(compute=step, **SECONDS), NODES)
    assert cost.gpu_hours == pytest.approx(model.gpu_hours)
    assert cost.energy_kwh / 1e3 == pytest.approx(model.mwh, abs=1.01)
    assert cost.co2_t == pytest.approx(model.co2_t, abs=0.8)


def test_without_gpus_there_are_hours_and_tokens_and_nothing_else() -> None:
    model = LLAMA["7B"]
    training = PlannedTraining(work=model.work, layout=Layout(dp=2), steps=10, may=())
    cost = training_cost(training, StepTime(compute=3600.0, **SECONDS), Machine())
    assert (cost.hours, cost.tokens, cost.gpu_hours, cost.energy_kwh) == (10.0, 10 * model.work.tokens, 0.0, 0.0)
    assert cost.tokens_per_day == 24 * model.work.tokens


def test_a_growing_batchs_first_steps_have_fewer_tokens_and_take_less_time() -> None:
    full = LLAMA["7B"].work
    assert full.global_batch == 2048
    growing = replace(full, ramp=RampConfig(start=1024, increment=512, sequences=4096))
    layout = Layout(tp=8, dp=8, microbatch=4)
    time = step_time(full, layout, NODES)
    costs = [
        training_cost(PlannedTraining(work=work, layout=layout, steps=14, may=()), time, NODES)
        for work in (full, growing)
    ]
    # 2 steps of 1,024 and 2 of 1,536 sequences, then full ones
    sequences = 2 * 1024 + 2 * 1536 + 10 * 2048
    assert costs[1].tokens == sequences * 2048
    assert costs[0].tokens == 14 * 2048 * 2048
    assert costs[1].hours == pytest.approx(costs[0].hours * sequences / (14 * 2048), rel=0.02)
    assert costs[1].tokens_per_s == costs[0].tokens_per_s


def test_an_offloaded_optimizer_is_in_the_hosts_memory() -> None:
    work = LLAMA["7B"].work
    here, there = (
        host_mb(PlannedTraining(work=work, layout=Layout(dp=8, offload=offload), steps=1, may=()))
        for offload in ((), ("optimizer",))
    )
    assert here == 8 * CUDA_PROCESS_MB
    assert there - here == pytest.approx(16 * 6738.4, rel=1e-3)
    assert A100.watts == 400
