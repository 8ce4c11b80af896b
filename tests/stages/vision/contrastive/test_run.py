"""An encoder learns from pictures and captions: in every layout, through kills, and transformers reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPVisionModel

from stages.formats.metrics import read_metrics
from stages.model.huggingface.vision.folder import VisionFolder
from stages.shared.task import Task
from stages.vision.contrastive.config import ContrastiveConfig
from stages.vision.contrastive.run import write
from tests.stages.train.ranks import Run, make_task, settings, train
from tests.stages.vision.contrastive.world import write_world

SHAPE = {
    "encoder": {"picture_size": 16, "patch_size": 4, "num_layers": 2, "dim": 32, "num_heads": 4},
    "model": {
        "num_layers": 1,
        "dim": 32,
        "num_heads": 4,
        "num_kv_heads": 4,
        "ffn_dim": 64,
        "seq_len": 24,
        "head": "none",
    },
    **{
        "projection": 16,
        "global_batch": 12,
        "microbatch": 12,
        "steps": 120,
        "warmup_steps": 10,
        "lr": 5e-3,
        "checkpoint_every": 40,
    },
    **{"heldout_batches": 1, "heldout_every": 60},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_world(tmp_path_factory.mktemp("it's a world")))


@pytest.fixture(scope="module")
def alone(world: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("alone"), world)


def trained(folder: Path, world: str, **changes: Any) -> Run:
    run = Run(str(folder), world, SHAPE | changes, stage="vision.contrastive")
    assert train(run) == [0] * settings(run).layout.ranks
    return run


def losses(run: Run) -> list[float]:
    return [row["loss"] for row in read_metrics(run.out / "metrics.jsonl")]


def test_pictures_find_their_captions_among_held_out_ones(alone: Run) -> None:
    rows = read_metrics(alone.out / "metrics.jsonl")
    assert rows[-1]["heldout_accuracy"] > 0.5
    assert rows[0]["scale"] == pytest.approx(1 / 0.07, rel=1e-3)
    assert losses(alone)[-1] < 0.4 * losses(alone)[0]


@pytest.mark.parametrize("layout", [{"dp": 2}, {"tp": 2, "sp": True}], ids=str)
def test_a_layout_trains_as_one_process(layout: dict[str, Any], alone: Run, world: str, tmp_path: Path) -> None:
    few = {
        "steps": 10,
        "microbatch": 12 // layout.get("dp", 1),
        "layout": layout,
        "heldout_every": None,
    }
    run = trained(tmp_path, world, **few)
    assert losses(run) == pytest.approx(losses(alone)[:10], abs=1e-4)


def test_a_training_that_was_killed_has_the_same_weights(alone: Run, world: str, tmp_path: Path) -> None:
    run = Run(str(tmp_path), world, SHAPE, stage="vision.contrastive")
    assert train(replace(run, die_at=70)) != [0]
    assert train(run) == [0]
    assert (run.out / "weights.sha256").read_text() == (alone.out / "weights.sha256").read_text()


def test_the_encoder_is_a_folder_that_transformers_reads(alone: Run, tmp_path: Path) -> None:
    task: Task[Any] = make_task(alone, 0)
    config: ContrastiveConfig = task.config
    found = write(replace(task, steps={"train": (alone.out,)}, out=tmp_path))
    theirs, loading = CLIPVisionModel.from_pretrained(tmp_path / "encoder", output_loading_info=True)
    assert not loading["missing_keys"]
    assert found["parameters"] == sum(weight.numel() for weight in theirs.parameters())
    assert VisionFolder(tmp_path / "encoder").config == config.encoder.whole.model_copy(update={"ffn_dim": 128})
    with torch.no_grad():
        assert theirs(torch.randn(1, 3, 16, 16)).last_hidden_state.isfinite().all()


def test_an_encoder_to_start_from_is_where_the_training_begins(alone: Run, tmp_path: Path, world: str) -> None:
    task: Task[Any] = make_task(alone, 0)
    write(replace(task, steps={"train": (alone.out,)}, out=tmp_path))
    state = json.loads((alone.out / "final" / "state.json").read_text())
    assert state["identity"]["encoder"]["dim"] == 32
    assert state["start"] == ""
    run = Run(
        str(tmp_path / "run"),
        world,
        SHAPE | {"steps": 1, "warmup_steps": 1, "heldout_every": None},
        stage="vision.contrastive",
    )
    started = replace_start(run, tmp_path / "encoder")
    assert losses(started) != pytest.approx(losses(alone)[:1], abs=1e-3)
    assert json.loads((started.out / "final" / "state.json").read_text())["start"]


def replace_start(run: Run, encoder: Path) -> Run:
    started = replace(run, config={**run.config, "encoder_from": str(encoder)})
    assert train(started) == [0]
    return started
