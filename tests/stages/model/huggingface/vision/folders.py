"""Folders of vision encoders with random weights, as transformers writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

SHAPE = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 7,
}


def random_encoder(folder: Path, family: str = "clip", **changes: Any) -> PreTrainedModel:
    """Write an encoder with weights large enough that a wrong one shows."""
    torch.manual_seed(0)
    made: PreTrainedModel
    if family == "clip":
        made = CLIPVisionModel(CLIPVisionConfig(**SHAPE | changes))
    else:
        made = SiglipVisionModel(SiglipVisionConfig(**SHAPE | changes, vision_use_head=True))
    return saved(made, folder)


def random_clip(folder: Path) -> PreTrainedModel:
    """Write a whole CLIP: an encoder, a text tower, projections and a scale."""
    torch.manual_seed(0)
    text = {**SHAPE, "vocab_size": 50, "max_position_embeddings": 8}
    made = CLIPModel(CLIPConfig(vision_config=SHAPE, text_config=text, projection_dim=16))
    return saved(made, folder)


@torch.no_grad()
def saved(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    for name, weight in model.named_parameters():
        is_gain = "norm" in name and name.endswith("weight")
        weight.copy_(torch.randn(weight.shape) * 0.15 + is_gain)
    model.eval().save_pretrained(folder)
    return model
