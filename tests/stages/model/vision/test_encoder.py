"""The vision encoder: every patch is seen by every other, any layer, any size."""

from __future__ import annotations

import pytest
import torch

from stages.model import parallel
from stages.model.decoder import initialise
from stages.model.vision.config import VisionConfig
from stages.model.vision.encoder import VisionEncoder, build_encoder, quick_gelu
from stages.shared.task import Ranks

TINY = {"picture_size": 28, "num_layers": 3, "dim": 32, "num_heads": 4, "init_std": 0.2}


def built(**settings: object) -> VisionEncoder:
    parallel.start(Ranks())
    config = VisionConfig.model_validate(TINY | settings)
    encoder = build_encoder(config).eval()
    initialise(encoder, config, seed=0)
    assert sum(weight.numel() for weight in encoder.parameters()) == config.num_parameters
    return encoder


def pixels(size: int = 28) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", ["clip", "siglip"])
@torch.no_grad()
def test_the_first_feature_sees_the_last_patch(family: str) -> None:
    encoder, given = built(family=family, class_token=family == "clip"), pixels()
    before = encoder(given)
    given[:, :, 14:, 14:] += 1
    assert ((encoder(given) - before)[:, 0].abs().amax(1) > 1e-3).all()


@torch.no_grad()
def test_a_layer_before_the_last_needs_no_layer_behind_it() -> None:
    given = pixels()
    second, whole = built(), built(layer=-1)
    assert len(second.blocks.layers) == 2
    assert not torch.allclose(second(given), whole(given), atol=1e-3)
    whole.blocks.layers = whole.blocks.layers[:2]
    assert torch.equal(second(given), whole(given))


@torch.no_grad()
def test_the_class_token_stands_first_and_is_dropped_unless_kept() -> None:
    kept, dropped = built(class_token=True)(pixels()), built()(pixels())
    assert (kept.shape, dropped.shape) == ((2, 5, 32), (2, 4, 32))
    assert torch.equal(kept[:, 1:], dropped)


@torch.no_grad()
def test_what_is_left_over_of_a_picture_is_not_seen() -> None:
    encoder, given = built(picture_size=40), pixels(40)
    before = encoder(given)
    given[:, :, 28:] = 0
    assert before.shape == (2, 4, 32)
    assert torch.equal(encoder(given), before)


def test_quick_gelu_is_not_gelu() -> None:
    at = torch.tensor([-3, -2, -1, -0.5, 0.5, 1, 2, 3])
    quick = torch.tensor([-0.018071, -0.064341, -0.154204, -0.149612, 0.350388, 0.845796, 1.935659, 2.981929])
    assert torch.allclose(quick_gelu(at), quick, atol=1e-6)
    widest = torch.tensor(-2.2704)
    assert abs(quick_gelu(widest) - torch.nn.functional.gelu(widest)) == pytest.approx(0.020335, abs=1e-6)
