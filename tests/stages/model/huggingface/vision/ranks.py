"""An encoder on two tensor parallel ranks. Imports no transformers, which would cost each rank its time."""

from __future__ import annotations

from pathlib import Path

import torch

from stages.model import parallel
from stages.model.huggingface.vision.folder import import_encoder
from stages.model.vision.config import VisionConfig
from stages.model.vision.encoder import build_encoder
from stages.shared.task import Ranks

OURS = {"picture_size": 28, "patch_size": 7, "num_layers": 3, "dim": 48, "num_heads": 4, "ffn_dim": 80}
"""SHAPE of tests.stages.model.huggingface.vision.folders in our words."""


def pixels(size: int = 28, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def features_of_a_rank(ranks: Ranks, folder: str) -> None:
    parallel.start(ranks, parallel.Sizes(tp=2))
    encoder = build_encoder(VisionConfig.model_validate(OURS))
    import_encoder(encoder, Path(folder))
    given = pixels().requires_grad_()
    features = encoder(given)
    features.square().mean().backward()
    torch.save([features.detach(), given.grad, encoder.patches.weight.grad], Path(folder) / f"{ranks.rank}.pt")
