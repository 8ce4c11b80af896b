"""Two towers: unit vectors, a learned scale with a bound, and weights of a folder to start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.model import parallel
from stages.model.config import ModelConfig
from stages.model.huggingface.vision.folder import VisionFolder
from stages.model.huggingface.vision.tensors import POSITIONS, slices
from stages.model.vision.config import VisionConfig
from stages.model.vision.towers import TowersBuilder, TwoTowers
from stages.shared.task import Ranks
from tests.stages.model.huggingface.vision.folders import random_encoder
from tests.stages.model.huggingface.vision.ranks import OURS, pixels

TEXT = ModelConfig(num_layers=1, dim=32, num_heads=2, seq_len=8, head="none")


def built(family: str = "clip", folder: Path | None = None) -> TwoTowers:
    parallel.start(Ranks())
    builder = TowersBuilder(VisionConfig.model_validate(OURS | {"family": family}), 12, 0.07, folder)
    towers = builder(TEXT, 40)
    builder.initialise(towers, TEXT, seed=0)
    return towers.eval()


@pytest.mark.parametrize("family", ["clip", "siglip"])
@torch.no_grad()
def test_pictures_are_scaled_and_texts_are_not(family: str) -> None:
    towers = built(family)
    tokens, last = torch.arange(16).view(2, 8), torch.tensor([7, 3])
    found = towers(tokens, torch.arange(8).expand(2, -1), last, pixels())
    assert found.shape == (2, 2, 12)
    assert found.norm(dim=-1).flatten().tolist() == pytest.approx([1 / 0.07] * 2 + [1.0] * 2, rel=1e-5)
    tokens[1, 4:] = 39
    assert torch.allclose(towers(tokens, torch.arange(8).expand(2, -1), last, pixels()), found, atol=1e-6)
    towers.log_scale.fill_(9.0)
    scaled = towers(tokens, torch.arange(8).expand(2, -1), last, pixels())
    assert scaled[0].norm(dim=-1).tolist() == pytest.approx([100.0] * 2, rel=1e-5)


def test_a_folders_encoder_is_the_start(tmp_path: Path) -> None:
    random_encoder(tmp_path)
    whole = VisionFolder(tmp_path)
    (positions,) = (part for part in slices(whole.config) if part.key == POSITIONS)
    assert torch.equal(built(folder=tmp_path).encoder.positions, whole.read(positions))
