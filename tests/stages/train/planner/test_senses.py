"""Encoder and join in a plan: counts of the built modules, memory and operations by what is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from stages.model import parallel
from stages.model.config import ModelConfig
from stages.model.eyes import EyesConfig
from stages.model.joins.build import build_join
from stages.model.joins.config import JoinConfig
from stages.model.vision.encoder import build_encoder
from stages.shared.contract import Forecast
from stages.shared.errors import ConfigError
from stages.shared.machine import Gpu, Machine
from stages.shared.task import Ranks
from stages.train.planner.senses import PlannedSense, planned_sense, with_sense
from stages.train.planner.shape import Layout, Workload, shape_of

LLAVA = ModelConfig(num_layers=32, dim=4096, num_heads=32, seq_len=2048, eyes=EyesConfig())
"""LLaVA's shape with CLIP ViT-L/14 at 224 pixels and a two-layer MLP."""
WORK = Workload(shape=shape_of(LLAVA, 32_000), global_batch=128, dtype="bf16")
LAYOUT = Layout(dp=8)


SMALL = {"queries": 16, "num_layers": 3, "dim": 64, "num_heads": 4, "ffn_dim": 256}
ASKING = {"qformer": SMALL, "abstractor": SMALL}


def found(memory_gb: float = 30.0) -> Forecast:
    data = {"memory_gb": {"weights": memory_gb}, "steps": 1000, "done": 0}
    return Forecast(headline="a training", rows=(("memory", "x"),), hours=10.0, mem_mb=1000.0, data=data)


def eyes_of(trained: list[str], squares: float | None = None) -> PlannedSense:
    assert LLAVA.eyes is not None
    return planned_sense(LLAVA, LLAVA.eyes, trained, WORK, units=squares)


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


def kept_bytes(run: Callable[[], Tensor], weights: Iterable[Tensor]) -> int:
    """Return the memory that autograd keeps of a forward pass, apart from the weights."""
    own = {weight.untyped_storage().data_ptr() for weight in weights}
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = run()
    assert output.requires_grad
    return sum(found.values())


@pytest.mark.parametrize("kind", [*ASKING, "mlp", "linear"])
def test_what_each_part_is_planned_to_take_is_what_it_takes(kind: str) -> None:
    """Weights, gradients and moments to the byte; what a backward pass keeps within a third."""
    parallel.start(Ranks())
    shape = {"picture_size": 56, "patch_size": 7, "num_layers": 4, "dim": 64, "num_heads": 4, "layer": -1}
    eyes = EyesConfig.model_validate({"encoder": shape, "join": {"kind": kind, **ASKING.get(kind, {})}})
    model = ModelConfig(dim=64, num_heads=4, seq_len=256, eyes=eyes)
    work = replace(WORK, shape=shape_of(model, 300), dtype="fp32")
    parts = planned_sense(model, eyes, ["encoder", "join"], work, microbatch=2, units=3).parts
    encoder, join = build_encoder(eyes.encoder), build_join(eyes.join, 64, 64)
    pixels, features = torch.randn(6, 3, 56, 56), torch.randn(6, 64, 64, requires_grad=True)
    modules = {"encoder": (encoder, lambda: encoder(pixels)), "join": (join, lambda: join(features))}
    for part in parts:
        module, run = modules[part.name]
        state = 16 * sum(weight.numel() for weight in module.parameters())
        kept = kept_bytes(run, module.parameters())
        print(f"{part.name}: {state:,} and {kept:,} bytes, planned {part.bytes:,.0f}")
        assert part.bytes - state == pytest.approx(kept, rel=1 / 3), part.name


def test_a_square_has_the_positions_of_its_join() -> None:
    eyes = EyesConfig(join=JoinConfig(kind="qformer"))
    model = LLAVA.model_copy(update={"eyes": eyes})
    assert planned_sense(LLAVA, EyesConfig(), ["join"], WORK).positions == 256
    assert planned_sense(model, eyes, ["join"], WORK).positions == 32


def test_a_plan_has_the_parts_with_their_time_and_memory() -> None:
    machine = Machine(ranks_per_node=8, cores=8)
    more = with_sense(found(), LLAVA, eyes_of(["join", "decoder"]), WORK, LAYOUT, machine)
    assert more.rows[0] == ("memory", "x")
    rows = dict(more.rows)
    assert rows["pictures"] == "256 positions a square; a row of 2,048 holds 7 pictures at most"
    assert "encoder 291 M frozen, 581 MB" in rows["eyes"]
    assert "join 21 M trained" in rows["eyes"]
    assert more.hours > 10.0
    assert more.mem_mb > 1000.0 + 8 * 581
    assert {"encoder", "join", "weights"} == more.data["memory_gb"].keys()
    one = with_sense(found(), LLAVA, eyes_of(["join", "decoder"], squares=1), WORK, LAYOUT, machine)
    assert one.hours - 10.0 == pytest.approx((more.hours - 10.0) / 4)
    assert "if each row has one and none is kept" in dict(one.rows)["eyes"]


def test_eyes_that_do_not_fit_beside_the_decoder_are_refused() -> None:
    gpu = Machine(ranks_per_node=8, gpu=Gpu.model_validate("a100-80gb"))
    assert with_sense(found(70.0), LLAVA, eyes_of(["join"]), WORK, LAYOUT, gpu).mem_mb == 1000.0
    assert gpu.gpu is not None
    full = gpu.gpu.memory_gb - 0.1
    with pytest.raises(ConfigError, match=r"layout = .*of encoder and join beside .*: a a100-80gb has"):
        with_sense(found(full), LLAVA, eyes_of(["join"]), WORK, replace(LAYOUT, dp=4), gpu)


def test_a_model_shorter_than_a_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model.seq_len = 256: must be more than the 256 positions of a picture"):
        ModelConfig(seq_len=256, eyes=EyesConfig())
