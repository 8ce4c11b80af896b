"""A Q-Former learns from pictures and captions: in every layout, through kills, and vision.train takes it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.formats.metrics import read_metrics
from stages.model import parallel
from stages.model.checkpoint.copying import copy_part
from stages.model.checkpoint.reading import read_slice
from stages.model.config import ModelConfig
from stages.model.decoder import build_model, initialise
from stages.shared.errors import DataError
from stages.shared.task import Ranks
from tests.stages.model.huggingface.vision.folders import random_encoder
from tests.stages.train.ranks import Run, settings, train
from tests.stages.vision.contrastive.world import write_world

JOIN = {
    **{"kind": "qformer", "queries": 4, "num_layers": 2, "dim": 32, "num_heads": 4, "ffn_dim": 64},
    "init_std": 0.15,
}
EYES: dict[str, Any] = {
    "encoder": {"picture_size": 16, "patch_size": 4, "num_layers": 1, "dim": 32, "num_heads": 4, "ffn_dim": 64}
    | {"layer": -1},
    "join": JOIN,
}
SHAPE = {
    "model": {"seq_len": 20, "eyes": EYES},
    **{"projection": 16, "global_batch": 12, "microbatch": 12, "steps": 120, "warmup_steps": 10, "lr": 4e-3},
    **{"checkpoint_every": 40, "heldout_batches": 1, "heldout_every": 60},
}
FEW = {"steps": 10, "heldout_every": None}
PAIRS = 12


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_world(tmp_path_factory.mktemp("it's a world"))
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "image_size": 16, "patch_size": 4}
    random_encoder(folder / "encoder", **shape)
    return str(folder)


@pytest.fixture(scope="module")
def alone(world: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("alone"), world)


def asking(folder: Path, world: str, **changes: Any) -> Run:
    given = {"encoder_from": f"{world}/encoder", **SHAPE, **changes}
    return Run(str(folder), world, given, stage="vision.qformer")


def trained(folder: Path, world: str, **changes: Any) -> Run:
    run = asking(folder, world, **changes)
    assert train(run) == [0] * settings(run).layout.ranks
    return run


def losses(run: Run) -> list[float]:
    return [row["loss"] for row in read_metrics(run.out / "metrics.jsonl")]


def test_the_three_losses_fall_and_held_out_pictures_find_their_captions(alone: Run) -> None:
    first, *_, last = read_metrics(alone.out / "metrics.jsonl")
    assert last["heldout_contrast"] < 0.6 * first["contrast"]
    guess = -(math.log(1 / 3) + 2 * math.log(2 / 3)) / 3
    assert last["heldout_match"] < guess < first["match"]
    assert last["heldout_caption"] < 0.3 * first["caption"]
    assert last["heldout_accuracy"] > 0.5
    assert last["heldout_control"] <= 2 / PAIRS, "another picture's caption is found as often as by chance"
    assert first["scale"] == pytest.approx(1 / 0.07, rel=1e-3)


@pytest.mark.parametrize("layout", [{"dp": 2}, {"tp": 2}], ids=str)
def test_a_layout_trains_as_one_process(layout: dict[str, int], alone: Run, world: str, tmp_path: Path) -> None:
    run = trained(tmp_path, world, **FEW, layout=layout, microbatch=PAIRS // layout.get("dp", 1))
    ours, theirs = (read_metrics(each.out / "metrics.jsonl")[:10] for each in (run, alone))
    for name in ("loss", "contrast", "match", "caption", "accuracy"):
        assert [row[name] for row in ours] == pytest.approx([row[name] for row in theirs], abs=1e-4), name


def test_a_training_that_was_killed_has_the_same_weights(alone: Run, world: str, tmp_path: Path) -> None:
    run = asking(tmp_path, world)
    assert train(replace(run, die_at=70)) != [0]
    assert train(run) == [0]
    assert (run.out / "weights.sha256").read_text() == (alone.out / "weights.sha256").read_text()


def test_features_that_are_not_kept_train_the_same(alone: Run, world: str, tmp_path: Path) -> None:
    run = trained(tmp_path, world, **FEW, features="each_step")
    assert losses(run) == pytest.approx(losses(alone)[:10], abs=1e-4)


def test_the_encoder_stays_as_it_is_bit_for_bit(alone: Run) -> None:
    for name, is_same in (("encoder.patches.weight", True), ("join.queries", False), ("text.words", False)):
        weights = [read_slice(alone.out / each, f"model.{name}", ()) for each in ("untrained", "final")]
        assert torch.equal(*weights) == is_same, name


def test_a_language_model_takes_the_qformer_as_its_join(alone: Run) -> None:
    parallel.start(Ranks())
    extra = {"seq_len": 32, "dim": 16, "num_layers": 1, "num_heads": 2, "extra_tokens": ("<image>",)}
    config = ModelConfig.model_validate({**extra, "eyes": EYES})
    model = build_model(config, 60)
    initialise(model, config, seed=5)
    before = {name: weight.clone() for name, weight in model.join.named_parameters()}
    copy_part(model, "join", alone.out / "final", config)
    for name, weight in model.join.named_parameters():
        if name.startswith("out."):
            assert torch.equal(weight, before[name]), "the matrix to the language model is new"
        else:
            assert torch.equal(weight, read_slice(alone.out / "final", f"model.join.{name}", ())), name
    other = ModelConfig.model_validate({**extra, "eyes": {**EYES, "join": {**JOIN, "queries": 5}}})
    with pytest.raises(DataError, match=r"has another join .*'queries': 4"):
        copy_part(model, "join", alone.out / "final", other)
