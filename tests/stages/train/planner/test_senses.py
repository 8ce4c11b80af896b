"""Encoder and join in a plan: counts of the built modules, memory and operations by what is trained."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.model.config import ModelConfig
from stages.model.eyes import EyesConfig
from stages.model.joins.config import JoinConfig
from stages.shared.contract import Forecast
from stages.shared.errors import ConfigError
from stages.shared.machine import Gpu, Machine
from stages.train.planner.senses import planned_sense, with_sense
from stages.train.planner.shape import Layout, Workload, shape_of

LLAVA = ModelConfig(num_layers=32, dim=4096, num_heads=32, seq_len=2048, eyes=EyesConfig())
"""LLaVA's shape with CLIP ViT-L/14 at 224 pixels and a two-layer MLP."""
WORK = Workload(shape=shape_of(LLAVA, 32_000), global_batch=128, dtype="bf16")
LAYOUT = Layout(dp=8)


def found(memory_gb: float = 30.0) -> Forecast:
    data = {"memory_gb": {"weights": memory_gb}, "steps": 1000, "done": 0}
    return Forecast(headline="a training", rows=(("memory", "x"),), hours=10.0, mem_mb=1000.0, data=data)


def test_parts_are_counted_as_they_are_built_and_take_memory_as_they_learn() -> None:
    assert LLAVA.eyes is not None
    alone = {part.name: part for part in planned_sense(LLAVA, LLAVA.eyes, ["join"], WORK).parts}
    both = {part.name: part for part in planned_sense(LLAVA, LLAVA.eyes, ["encoder", "join"], WORK).parts}
    assert alone["encoder"].parameters == 290_581_504
    assert alone["encoder"].bytes == 2 * 290_581_504
    assert both["encoder"].bytes > 18 * 290_581_504
    assert both["encoder"].operations == 3 * alone["encoder"].operations
    assert alone["join"].parameters == (1024 + 1) * 4096 + (4096 + 1) * 4096
    assert both["join"].operations == pytest.approx(1.5 * alone["join"].operations)  # the encoder needs its gradient
    # CLIP ViT-L/14 at 224 pixels: 81 G multiply-adds of 24 layers (arXiv:2103.00020 gives none; open_clip's profile).
    assert alone["encoder"].operations == pytest.approx(2 * 81e9 * 23 / 24, rel=0.06)


def test_a_square_has_the_positions_of_its_join() -> None:
    eyes = EyesConfig(join=JoinConfig(kind="qformer"))
    model = LLAVA.model_copy(update={"eyes": eyes})
    assert planned_sense(LLAVA, EyesConfig(), ["join"], WORK).positions == 256
    assert planned_sense(model, eyes, ["join"], WORK).positions == 32


def test_a_plan_has_the_parts_with_their_time_and_memory() -> None:
    machine = Machine(ranks_per_node=8, cores=8)
    more = with_sense(found(), LLAVA, ["join", "decoder"], WORK, LAYOUT, machine)
    assert more.rows[0] == ("memory", "x")
    rows = dict(more.rows)
    assert rows["pictures"] == "256 positions a square; a row of 2,048 holds 7 pictures at most"
    assert "encoder 291 M frozen, 581 MB" in rows["eyes"]
    assert "join 21 M trained" in rows["eyes"]
    assert more.hours > 10.0
    assert more.mem_mb > 1000.0 + 8 * 581
    assert {"encoder", "join", "weights"} == more.data["memory_gb"].keys()
    none = with_sense(found(), LLAVA.model_copy(update={"eyes": None}), [], WORK, LAYOUT, machine)
    assert none == found()


def test_eyes_that_do_not_fit_beside_the_decoder_are_refused() -> None:
    gpu = Machine(ranks_per_node=8, gpu=Gpu.model_validate("a100-80gb"))
    assert with_sense(found(70.0), LLAVA, ["join"], WORK, LAYOUT, gpu).mem_mb == 1000.0
    assert gpu.gpu is not None
    full = gpu.gpu.memory_gb - 0.1
    with pytest.raises(ConfigError, match=r"layout = .*of encoder and join beside .*: a a100-80gb has"):
        with_sense(found(full), LLAVA, ["join"], WORK, replace(LAYOUT, dp=4), gpu)


def test_a_model_shorter_than_a_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model.seq_len = 256: must be more than the 256 positions of a picture"):
        ModelConfig(seq_len=256, eyes=EyesConfig())
