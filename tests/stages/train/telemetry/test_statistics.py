"""Statistics by layer against the tensors themselves, and the same in every layout."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from stages.formats.telemetry.layers import read_layers
from stages.train.telemetry.statistics import LayerStatistics
from tests.stages.train.engines.single import next_token
from tests.stages.train.engines.test_megatron import batch, make
from tests.stages.train.ranks import Run, train


def test_norms_are_those_of_a_parts_tensors_before_clipping() -> None:
    engine = make(optimizer={"clip_grad": 1e-6})
    statistics = LayerStatistics(engine, 2)
    statistics.start()
    engine.accumulate(next_token(), iter([batch()]), 1)
    norm = engine.gradient_norm()
    rows = statistics.read(7)
    assert [row["part"] for row in rows] == ["embedding", "layers.0", "layers.1", "head"]
    assert {row["step"] for row in rows} == {7}
    layer = engine.chunks[0].decoder.layers[1]
    weights = torch.cat([weight.flatten() for weight in layer.parameters()])
    gradients = torch.cat([weight.main_grad.flatten() for weight in layer.parameters()])
    assert rows[2]["weight_norm"] == pytest.approx(float(weights.norm()))
    assert rows[2]["weight_max"] == float(weights.abs().max())
    assert rows[2]["grad_norm"] == pytest.approx(float(gradients.norm()))
    assert math.hypot(*(row["grad_norm"] for row in rows)) == pytest.approx(norm)
    embedded = engine.chunks[0].embedding.word_embeddings.weight[batch()["tokens"]]
    assert rows[0]["activation_rms"] == pytest.approx(float(embedded.square().mean().sqrt()))
    assert not any(module._forward_hooks for module in engine.chunks[0].modules())


LAYOUTS: list[dict[str, Any]] = [
    {"layout": {"tp": 2, "pp": 2, "sp": True}},
    {"layout": {"dp": 2}, "dtype": "bf16"},
    {"layout": {"dp": 2, "zero": 3}, "engine": "deepspeed"},
]


@pytest.mark.parametrize("change", LAYOUTS, ids=["tp pp sp", "dp bf16", "zero 3"])
def test_every_layout_has_the_same_statistics(run: Run, corpus: str, change: dict[str, Any]) -> None:
    config = {"steps": 4, "warmup_steps": 1, "layer_stats_every": 2, "tensorboard": False}
    alone = Run(run.folder + "-alone", corpus, config)
    split = replace(run, config={**config, **change})
    assert set(train(alone)) == set(train(split)) == {0}
    ours, theirs = (read_layers(run.out / "layers.jsonl") for run in (split, alone))
    assert [(row["step"], row["part"]) for row in ours] == [(row["step"], row["part"]) for row in theirs]
    near = 2e-2 if change.get("dtype") == "bf16" else 1e-4
    for row, other in zip(ours, theirs, strict=True):
        for name in ("weight_norm", "weight_max", "grad_norm", "activation_rms"):
            assert row[name] == pytest.approx(other[name], rel=near), (row["part"], name)


def test_experts_are_counted_once_wherever_they_are(run: Run, corpus: str) -> None:
    moe = {"num_experts": 4, "top_k": 2}
    model = {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 48, "seq_len": 32, "moe": moe}
    config = {"steps": 2, "warmup_steps": 1, "layer_stats_every": 2, "tensorboard": False, "model": model}
    alone = Run(run.folder + "-alone", corpus, config)
    split = replace(run, config={**config, "layout": {"dp": 2, "ep": 2}})
    assert set(train(alone)) == set(train(split)) == {0}
    for row, other in zip(*(read_layers(run.out / "layers.jsonl") for run in (split, alone)), strict=True):
        assert row["weight_norm"] == pytest.approx(other["weight_norm"], rel=1e-4)
        assert row["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-2)
