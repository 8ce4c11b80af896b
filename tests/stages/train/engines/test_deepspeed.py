"""DeepSpeed's engine: one process against Megatron's engine, then real ranks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.model import parallel
from stages.model.checkpoint.reading import read_tensors, read_weights
from stages.model.checkpoint.saving import save
from stages.pretrain.config import PretrainConfig
from stages.shared.errors import ConfigError
from stages.shared.task import Ranks
from stages.train.engine import Engine
from stages.train.engines.deepspeed import has_fp16
from stages.train.objectives.base import Batch, Role
from tests.stages.train.engines.single import next_token, single
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import Run, losses, train

NEEDS_FP16 = pytest.mark.skipif(
    not has_fp16(), reason="DeepSpeed refuses fp16 on a processor without it, as this one is"
)
SMALL = {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 48, "seq_len": 8}
LAYOUTS: dict[str, dict[str, Any]] = {
    "ZeRO-1": {"zero": 1},
    "ZeRO-2": {"zero": 2},
    "ZeRO-3": {"zero": 3},
    "ZeRO-1, optimizer on the host": {"zero": 1, "offload": ["optimizer"]},
    "ZeRO-2, optimizer on the host": {"zero": 2, "offload": ["optimizer"]},
    "ZeRO-3, optimizer on the host": {"zero": 3, "offload": ["optimizer"]},
    "ZeRO-3, all on the host": {"zero": 3, "offload": ["optimizer", "weights", "activations"]},
}
MODELS: dict[str, dict[str, Any]] = {
    "tied": {"tied_embeddings": True, "norm": "layernorm", "bias": True, "activation": "gelu"},
    "alibi": {"position": "alibi", "num_kv_heads": 1},
    "experts": {"moe": {"num_experts": 4, "top_k": 2, "z_loss": 1e-3}},
}
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def make(layout: dict[str, Any] | None = None, **settings: Any) -> Engine:
    """Return an engine; without a layout Megatron's."""
    parallel.start(Ranks())
    place = {"engine": "deepspeed", "layout": layout} if layout else {}
    settings = {"model": SMALL, "microbatch": 2, **place, **settings}
    return single(PretrainConfig(tokens="x", tokenizer="x", **settings))


def batch(seed: int) -> Batch:
    """Return a microbatch of which not every label counts."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(300, (2, 9), generator=generator)
    mask = (torch.rand(2, 8, generator=generator) < 0.7).float()
    places = torch.arange(8).expand(2, 8)
    return {"tokens": tokens[:, :-1], "labels": tokens[:, 1:], "position_ids": places, "loss_mask": mask}


def accumulate(engine: Engine, *seeds: int) -> float:
    engine.accumulate(next_token(), iter([batch(seed) for seed in seeds]), len(seeds))
    return engine.gradient_norm()


def step(engine: Engine, *seeds: int, lr: float = 0.01) -> float:
    norm = accumulate(engine, *seeds)
    assert engine.update(lr)
    return norm


def weights(engine: Engine, folder: Path) -> dict[str, Tensor]:
    save(engine.weights(), folder, {})
    return dict(read_weights(folder))


def differ(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)


@each_layout
def test_norms_and_weights_are_megatrons(layout: dict[str, Any], tmp_path: Path) -> None:
    ours, theirs = make(layout), make()
    for seeds in ((1, 2, 3), (4,), (5, 6)):
        assert abs(step(ours, *seeds) - step(theirs, *seeds)) < 1e-5
    assert differ(weights(ours, tmp_path / "ours"), weights(theirs, tmp_path / "theirs")) < 1e-4  # a step is 1e-2


def test_the_z_loss_is_in_the_gradient_alone() -> None:
    norms, records = {}, {}
    for z_loss in (0.0, 0.1):
        for name, layout in (("megatron", None), ("deepspeed", LAYOUTS["ZeRO-2"])):
            engine = make(layout, z_loss=z_loss)
            (found,) = engine.accumulate(next_token(z_loss), iter([batch(1)]), 1)
            records[name, z_loss] = float(found.total), float(found.count)
            norms[name, z_loss] = engine.gradient_norm()
    assert len({*records.values()}) == 1
    assert abs(norms["deepspeed", 0.1] - norms["megatron", 0.1]) < 1e-5
    assert abs(norms["megatron", 0.1] - norms["megatron", 0.0]) > 1e-2


@pytest.mark.parametrize("layout", [LAYOUTS["ZeRO-2"], LAYOUTS["ZeRO-3, all on the host"]], ids=["2", "3"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_architecture_is_trained(model: dict[str, Any], layout: dict[str, Any], tmp_path: Path) -> None:
    ours, theirs = (make(place, model=SMALL | model) for place in (layout, None))
    for seeds in ((1, 2, 3), (4,), (5, 6)):
        assert abs(step(ours, *seeds) - step(theirs, *seeds)) < 1e-5
    assert differ(weights(ours, tmp_path / "ours"), weights(theirs, tmp_path / "theirs")) < 1e-4  # a step is 1e-2


@each_layout
def test_a_longer_gradient_is_clipped_and_the_update_is_adamws(layout: dict[str, Any], tmp_path: Path) -> None:
    clip = 1e-8  # so short that eps is felt: a gradient that was not clipped would move every weight by lr
    engine = make(layout, optimizer={"clip_grad": clip, "weight_decay": 0.1})
    before = weights(engine, tmp_path / "before")
    step(engine, 1)
    after = weights(engine, tmp_path / "after")
    for name, weight in before.items():
        is_decayed = weight.ndim > 2 or "layernorm" not in name
        moved = after[name] - weight * (1 - 0.01 * 0.1 * is_decayed)
        assert 0 < moved.abs().max() < 0.01 / 2 + 1e-6, name


@each_layout
def test_a_dropped_batch_leaves_no_trace(layout: dict[str, Any], tmp_path: Path) -> None:
    engine, clean = make(layout), make(layout)
    for each in (engine, clean):
        step(each, 1, 2)
    accumulate(engine, 3, 4)
    engine.drop()
    assert step(engine, 5, 6) == step(clean, 5, 6)
    assert differ(weights(engine, tmp_path / "one"), weights(clean, tmp_path / "other")) == 0


@each_layout
def test_a_gradient_that_is_not_finite_is_not_applied(layout: dict[str, Any], tmp_path: Path) -> None:
    engine, clean = make(layout), make(layout)
    bad = batch(3) | {"loss_mask": torch.full((2, 8), float("nan"))}
    engine.accumulate(next_token(), iter([bad]), 1)
    assert not isfinite(engine.gradient_norm())
    assert not engine.update(0.01)
    assert step(engine, 5) == step(clean, 5)
    assert differ(weights(engine, tmp_path / "one"), weights(clean, tmp_path / "other")) == 0


@pytest.mark.parametrize("dtype", ["bf16", pytest.param("fp16", marks=NEEDS_FP16)])
@each_layout
def test_with_16_bits_the_optimizer_keeps_float32_weights(layout: dict[str, Any], dtype: str, tmp_path: Path) -> None:
    settings = {"dtype": dtype, "loss_scale": {"initial": 1024.0}}
    ours, theirs = make(layout, **settings), make(**settings)
    for seeds in ((1, 2), (3, 4)):  # steps of which one alone changes few numbers of 16 bits
        assert abs(step(ours, *seeds, lr=1e-5) - step(theirs, *seeds, lr=1e-5)) < 2e-2
    state, folder = ours.state(is_loading=False), tmp_path / "state"
    save(state, folder, {})
    masters = read_tensors(ours.state(is_loading=True), folder)["optimizer"]["param"]
    rounded = weights(ours, tmp_path / "weights")["model.embedding.word_embeddings.weight"]
    master = masters["embedding.word_embeddings.weight"]
    assert master.dtype == torch.float32
    assert torch.equal(master.to(rounded.dtype), rounded)
    assert not torch.equal(master, rounded.float())
    assert differ(weights(ours, tmp_path / "ours"), weights(theirs, tmp_path / "theirs")) < 1e-3


@pytest.mark.skipif(has_fp16(), reason="this processor has fp16")
def test_fp16_on_a_processor_without_it_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match="dtype = 'fp16': must be bf16 or fp32 with engine deepspeed"):
        make(LAYOUTS["ZeRO-1"], dtype="fp16")


@NEEDS_FP16
@pytest.mark.parametrize("layout", [LAYOUTS["ZeRO-1"], LAYOUTS["ZeRO-3, all on the host"]], ids=["1", "3"])
def test_in_fp16_the_scale_falls_until_the_gradient_fits(layout: dict[str, Any], tmp_path: Path) -> None:
    engine = make(layout, dtype="fp16", loss_scale={"initial": 2.0**24, "hysteresis": 1})
    before = weights(engine, tmp_path / "before")
    applied = []
    while not applied or not applied[-1]:
        accumulate(engine, 1, 2)
        applied.append(engine.update(0.01))
        if not applied[-1]:
            assert differ(before, weights(engine, tmp_path / f"after {len(applied)}")) == 0
    assert 2 < len(applied) < 20
    assert differ(before, weights(engine, tmp_path / "at last")) > 0


@each_layout
def test_a_loaded_state_goes_on_with_the_same_bits(layout: dict[str, Any], tmp_path: Path) -> None:
    engine = make(layout, dtype="bf16")
    step(engine, 1, 2)
    save(engine.state(is_loading=False), tmp_path / "state", {})
    norms = [step(engine, 3, 4), step(engine, 5, 6)]
    other = make(layout, dtype="bf16")
    step(other, 7)  # what is loaded takes the place of what a run has
    other.load(read_tensors(other.state(is_loading=True), tmp_path / "state"))
    assert [step(other, 3, 4), step(other, 5, 6)] == norms
    assert differ(weights(engine, tmp_path / "one"), weights(other, tmp_path / "other")) == 0


def test_a_state_is_read_at_any_stage(tmp_path: Path) -> None:
    order = [*LAYOUTS.values(), LAYOUTS["ZeRO-1"]]
    engine = make(order[0])
    step(engine, 1)
    for number, (_, layout) in enumerate(pairwise(order)):
        save(engine.state(is_loading=False), tmp_path / str(number), {})
        before = weights(engine, tmp_path / f"before {number}")
        engine = make(layout)
        engine.load(read_tensors(engine.state(is_loading=True), tmp_path / str(number)))
        assert differ(before, weights(engine, tmp_path / f"after {number}")) == 0
        step(engine, number + 2)
    straight = make(order[0])
    for number in range(len(order)):
        step(straight, number + 1)
    assert differ(weights(engine, tmp_path / "one"), weights(straight, tmp_path / "other")) < 1e-5


@each_layout
def test_reset_puts_other_weights_in_place(layout: dict[str, Any], tmp_path: Path) -> None:
    engine = make(layout)
    start = weights(engine, tmp_path / "start")
    step(engine, 1)
    engine.reset(Role(config=engine.config.model).starting_weights(engine.config.seed))
    assert differ(start, weights(engine, tmp_path / "again")) == 0
    assert differ(start, weights(make(), tmp_path / "megatron's")) == 0


@each_layout
def test_shares_are_every_weight_and_its_gradient_before_clipping(layout: dict[str, Any]) -> None:
    engine = make(layout, optimizer={"clip_grad": 1e-3})
    step(engine, 1)
    norm = accumulate(engine, 2, 3)
    shares = [(weight, numbers.clone(), gradient.clone()) for weight, numbers, gradient in engine.shares()]
    assert {id(weight) for weight, _, _ in shares} == {id(weight) for weight in engine.chunks[0].parameters()}
    whole = torch.cat([gradient.flatten() for _, _, gradient in shares])
    assert abs(float(whole.norm()) - norm) < 1e-5
    state = engine.state(is_loading=False)["optimizer"]["param"].values()
    masters = torch.cat([shard.data.flatten() for shard in state])
    assert torch.equal(torch.cat([numbers.flatten() for _, numbers, _ in shares]), masters)


FORGETFUL = [
    pytest.param({**layout, "recompute": recompute}, id=f"{name}, {recompute}")
    for name, layout in LAYOUTS.items()
    for recompute in ("selective", "full")
    if not (recompute == "selective" and "activations" in layout.get("offload", ()))  # refused
]


@pytest.mark.parametrize("layout", FORGETFUL)
def test_recomputation_changes_no_gradient(layout: dict[str, Any]) -> None:
    engine, plain = make(layout), make({**layout, "recompute": "none"})
    for seeds in ((1, 2), (3,)):
        assert step(engine, *seeds) == step(plain, *seeds)


QUIET = """
import socket, sys
def refuse(*_args, **_kwargs):
    raise SystemExit("opened a socket")
from tests.stages.train.engines.test_deepspeed import make, step
socket.socket.bind = socket.socket.listen = socket.socket.connect = refuse
step(make({"zero": 3, "offload": ["optimizer", "weights"]}), 1)
"""


def test_it_says_nothing_writes_nothing_and_meets_nobody(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", QUIET]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(home.rglob("*"))


@pytest.mark.parametrize(
    "layout", [{"zero": 1}, {"zero": 3, "offload": ["optimizer", "weights"]}], ids=["ZeRO-1", "ZeRO-3, on the host"]
)
def test_a_killed_run_ends_with_the_same_bits(layout: dict[str, Any], run: Run, tmp_path: Path) -> None:
    config = {"engine": "deepspeed", "layout": {"dp": 2, **layout}, "steps": 12, "checkpoint_every": 4}
    undisturbed = replace(run, folder=str(tmp_path / "undisturbed"), config=config)
    assert train(undisturbed) == [0, 0]
    assert 0 not in train(replace(run, config=config, die_at=6))
    resumed = replace(run, config=config)
    assert train(resumed) == [0, 0]
    assert_equal(resumed, undisturbed)
    megatron = replace(run, folder=str(tmp_path / "megatron"), config={"steps": 12})
    assert train(megatron) == [0]
    gaps = [abs(one - other) for one, other in zip(losses(resumed), losses(megatron), strict=True)]
    assert max(gaps) < 1e-4
