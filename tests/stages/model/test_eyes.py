"""Eyes: encoder and join of random weights on squares of pictures."""

from __future__ import annotations

import pytest
import torch

from stages.model import parallel
from stages.model.decoder import initialise
from stages.model.eyes import Eyes
from stages.model.joins.build import build_join
from stages.model.joins.config import JoinConfig
from stages.model.vision.config import VisionConfig
from stages.model.vision.encoder import build_encoder
from stages.pictures.plan import AnyResolution, Fixed
from stages.shared.task import Ranks
from tests.stages.pictures.made import drawn

SHAPE = VisionConfig(picture_size=28, patch_size=7, num_layers=2, dim=32, num_heads=4)


def made(join: JoinConfig) -> Eyes:
    parallel.start(Ranks())
    encoder, joined = build_encoder(SHAPE), build_join(join, SHAPE.dim, 24)
    initialise(encoder, SHAPE, seed=1)
    with torch.no_grad():
        for parameter in joined.parameters():
            parameter.normal_(0, 0.1)
    return Eyes(
        see=lambda pixels: joined(encoder(pixels)),
        queries=join.positions(SHAPE.num_features),
        scheme=Fixed(encoder=SHAPE.squares),
    )


@pytest.mark.parametrize(
    "join",
    [JoinConfig(kind="mlp"), JoinConfig(kind="qformer", queries=5, num_layers=2, dim=16, num_heads=2, ffn_dim=16)],
)
def test_a_picture_has_the_positions_that_were_planned(join: JoinConfig) -> None:
    eyes = made(join)
    for width, height in ((28, 28), (90, 30), (1, 77)):
        image = drawn(width, height)
        embedded = eyes.embedded(eyes.squares(image))
        assert embedded.shape == (eyes.positions(image.size), 24)
        assert not embedded.requires_grad


def test_other_pictures_have_other_embeddings_and_equal_ones_the_same_bits() -> None:
    eyes = made(JoinConfig(kind="linear"))
    one, again, other = (eyes.embedded(eyes.squares(drawn(40, 30, seed))) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert (one - other).abs().max() > 1e-3


def test_a_scheme_of_tiles_is_refused_until_their_rows_are_arranged() -> None:
    with pytest.raises(ValueError, match="AnyResolution: the embeddings of tiles are not arranged yet"):
        Eyes(see=lambda pixels: pixels, queries=16, scheme=AnyResolution(encoder=SHAPE.squares))
