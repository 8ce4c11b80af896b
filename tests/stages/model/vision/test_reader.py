"""A reader starts from an encoder's folder and drawn weights, the same in any order."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from stages.model import parallel
from stages.model.vision.reader import ReaderBuilder
from stages.shared.task import Ranks
from stages.vision.qformer.config import ReaderConfig
from tests.stages.model.huggingface.vision.folders import random_encoder

SHAPE = {"picture_size": 28, "patch_size": 7, "num_layers": 3, "dim": 48, "num_heads": 4, "ffn_dim": 80, "layer": -1}


@torch.no_grad()
def test_its_encoder_is_the_folders_and_the_rest_is_drawn(tmp_path: Path) -> None:
    parallel.start(Ranks())
    theirs = random_encoder(tmp_path)
    join = {"kind": "qformer", "queries": 4, "num_layers": 2, "dim": 24, "num_heads": 4, "ffn_dim": 40}
    config = ReaderConfig.model_validate({"seq_len": 10, "eyes": {"encoder": SHAPE, "join": join}})
    builder = ReaderBuilder(config.eyes, 6, 0.5, tmp_path)
    one, other = builder(config, 30), builder(config, 30)
    for model, seed in ((one, 1), (other, 2)):
        builder.initialise(model, config, seed)
    pixels = torch.randn(2, 3, 28, 28)
    assert (one.encoder(pixels) - theirs(pixels).last_hidden_state[:, 1:]).abs().max() < 1e-4
    assert torch.equal(one.encoder.positions, other.encoder.positions)
    assert not torch.equal(one.join.queries, other.join.queries)
    assert one.text.words.shape == (32, 24)
    assert one.text.positions.shape == (6, 24)
    assert one.text.log_scale.item() == pytest.approx(-math.log(0.5))
    assert one(lambda reader: reader.text.word_bias.sum()) == 0
