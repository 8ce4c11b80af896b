"""What a plan says of a training, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from stages.shared.errors import ConfigError
from stages.shared.machine import Gpu, Machine
from stages.train.planner.cost import PlannedTraining
from stages.train.planner.forecast import forecast
from stages.train.planner.rules import problems
from stages.train.planner.shape import Companion, Layout, Shape, Workload
from stages.train.sections import RampConfig
from tests.stages.train.planner.llama import LLAMA, MAY, NODES

LARGE = LLAMA["65B"]
TINY = Shape(num_layers=4, dim=192, num_heads=6, num_kv_heads=6, head_dim=32, ffn=512, seq_len=128, vocab_size=1024)


def large(**layout: Any) -> PlannedTraining:
    return PlannedTraining(work=LARGE.work, layout=Layout(**layout), steps=LARGE.steps, may=MAY)


def cluster(**changes: Any) -> Machine:
    return Machine(gpu=Gpu.model_validate({"type": "a100-80gb", **changes}), ranks_per_node=8)


def test_a_training_on_gpus_is_told_in_a_few_lines_that_also_come_as_data() -> None:
    told = forecast(large(tp=8, pp=4, dp=64, sp=True), NODES)
    assert told.headline.startswith("65.3 B parameters on 1.4 T tokens, 2,048 x a100-80gb: ")
    assert [label for label, _ in told.rows] == ["memory", "time", "cost", "faster", "assumed"]
    rows = dict(told.rows)
    assert "of 85 GB a rank: weights 4.1, gradients 8.2, optimizer 0.4, activations " in rows["memory"]
    assert "of the peak" in rows["time"]
    assert "GPU-hours" in rows["cost"] and "MWh" in rows["cost"] and "t CO2" in rows["cost"]
    assert "less time" in rows["faster"]
    data = json.loads(json.dumps(told.data))
    assert data["gpu_hours"] == pytest.approx(told.hours * 2048)
    assert sum(data["step_parts_s"].values()) == pytest.approx(data["step_s"])
    kept, passing = {"weights", "gradients", "optimizer", "average"}, {"cache", "activations", "buffers", "outside"}
    assert set(data["memory_gb"]) == kept | passing
    assert data["phases_h"] == {"update": pytest.approx(told.hours)}


def test_steps_that_are_done_take_no_time() -> None:
    training = large(tp=8, pp=4, dp=64, sp=True)
    ramped = replace(training, work=replace(LARGE.work, ramp=RampConfig(start=1024, increment=1024, sequences=500_000)))
    for each in (training, ramped):
        whole, half = forecast(each, NODES), forecast(replace(each, first=each.steps // 2), NODES)
        assert half.hours == pytest.approx(whole.hours / 2, rel=0.01)
        assert dict(half.rows)["left"].startswith(f"{each.steps - each.steps // 2:,} of {each.steps:,} steps")
        assert dict(half.rows).get("ramp") == dict(whole.rows).get("ramp")
        assert forecast(replace(each, first=each.steps), NODES).hours == 0


def test_the_fastest_layout_is_not_told_of_a_faster_one() -> None:
    best = forecast(large(tp=8, pp=4, dp=64, sp=True), NODES).data["faster"]["layout"]
    assert best == "tp 4 pp 2 dp 256 interleave 4 sp microbatch 2"
    chosen = large(tp=4, pp=2, dp=256, interleave=4, sp=True, microbatch=2)
    assert forecast(chosen, NODES).data["faster"] is None


def test_a_growing_batch_has_a_line() -> None:
    ramp = RampConfig(start=512, increment=512, sequences=12_000)
    training = replace(large(tp=8, pp=4, dp=64, sp=True), work=replace(LARGE.work, ramp=ramp))
    row = dict(forecast(training, NODES).rows)["ramp"]
    steps = 8 + 4 + 3  # of 512, 1,024 and 1,536 sequences, for 4,000 each
    assert row.startswith(f"512 sequences a step, 2,048 after {steps} of {LARGE.steps:,} steps, which take 0.0% of the")


def test_a_training_on_a_laptop_is_told_without_what_only_gpus_have() -> None:
    work = Workload(shape=TINY, global_batch=16, dtype="fp32")
    training = PlannedTraining(work=work, layout=Layout(dp=2, microbatch=8), steps=600, may=(), vocab_known=False)
    told = forecast(training, Machine(ranks_per_node=64))
    assert "2.16 M parameters on 1.23 M tokens, 2 CPU ranks: " in told.headline
    assert [label for label, _ in told.rows] == ["memory", "time", "assumed"]
    assert dict(told.rows)["memory"].startswith("86.9 MB a rank: weights 8.7, gradients 8.7")
    assert "a vocabulary of 1,024" in dict(told.rows)["assumed"]
    assert told.mem_mb == training.mem_mb
    assert told.hours * 3600 * 2 == pytest.approx(training.core_seconds)


def test_too_little_memory_is_refused_with_the_parts_and_the_nearest_layouts_that_fit() -> None:
    with pytest.raises(ConfigError) as caught:
        forecast(large(tp=2, pp=1, dp=1024), NODES)
    said = str(caught.value)
    assert said.startswith("layout = 'tp 2 pp 1 dp 1024 microbatch 1': must be one that fits into a100-80gb; it takes ")
    assert "GB (weights 65.3, gradients 130.6, optimizer 0.4, activations " in said
    near = said.partition("Nearest layouts that do: ")[2].split("; ")
    assert len(near) == 3
    assert all(layout.startswith("tp ") for layout in near)


def test_where_no_layout_fits_it_names_the_number_of_gpus_that_do() -> None:
    with pytest.raises(ConfigError, match=r"No layout of 8 GPUs does; of 16 this one does: tp 8 pp 2 dp 1 sp"):
        forecast(large(tp=8), NODES)
    with pytest.raises(ConfigError, match=r"No layout of 8 GPUs does: take more of them, or shorter sequences"):
        forecast(large(tp=8), cluster(count=15))


def ranked_by(reference: Shape, **changes: Any) -> PlannedTraining:
    """Return a training beside a frozen model."""
    work = replace(LARGE.work, name="policy", others=(Companion(name="reference", shape=reference),), **changes)
    return replace(large(tp=8, pp=4, dp=64, sp=True), work=work)


def test_a_frozen_model_has_its_weights_and_its_pass() -> None:
    alone, beside = forecast(large(tp=8, pp=4, dp=64, sp=True), NODES), forecast(ranked_by(LARGE.work.shape), NODES)
    more = beside.data["memory_gb"]["weights"] - alone.data["memory_gb"]["weights"]
    assert more == pytest.approx(alone.data["memory_gb"]["weights"])
    assert beside.data["models_gb"]["reference"] == pytest.approx(more)
    assert beside.data["memory_gb"]["optimizer"] == alone.data["memory_gb"]["optimizer"]
    assert [*beside.data["phases_h"]] == ["reference forward", "policy update"]
    assert sum(beside.data["phases_h"].values()) == pytest.approx(beside.hours)
    assert 0.2 < beside.data["phases_h"]["reference forward"] / alone.hours < 0.4
    rows = dict(beside.rows)
    assert rows["models"].endswith("reference 4.11 GB frozen")
    assert "at most in policy update" in rows["memory"]


def test_a_further_model_has_to_be_split_as_well() -> None:
    odd = replace(LARGE.work.shape, num_heads=12, num_kv_heads=12)
    (found,) = (each for each in problems(ranked_by(odd).work, Layout(tp=8)) if "num_heads" in each.wanted)
    assert "a divisor of the reference model's num_heads (12)" in found.wanted


def test_more_gpus_than_there_are_or_than_fill_nodes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"at most the 512 GPUs there are, not 2,048 .*work: tp 2 pp 1 dp 256; "):
        forecast(large(tp=8, dp=256), cluster(count=512))
    with pytest.raises(
        ConfigError, match=r"ranks that fill nodes of 8 GPUs, not 12 \(nearest layouts that work: tp 4 "
    ):
        forecast(replace(large(tp=4, pp=1, dp=3), work=replace(LARGE.work, global_batch=24)), NODES)
    small = replace(LLAMA["7B"].work, global_batch=4)
    fits = PlannedTraining(work=small, layout=Layout(tp=4, pp=1, dp=1), steps=9, may=())
    assert forecast(fits, NODES).hours > 0  # part of one node is fine


def test_context_parallelism_is_refused_without_gpus() -> None:
    work = replace(LARGE.work, shape=TINY, global_batch=8)
    with pytest.raises(ConfigError, match=r"layout\.cp = 2: must be 1 without GPUs .*: tp 1 pp 1 dp 2;"):
        forecast(PlannedTraining(work=work, layout=Layout(cp=2), steps=1, may=()), Machine())
