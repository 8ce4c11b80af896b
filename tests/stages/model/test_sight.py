"""Pictures among embeddings: rows at their places, counts that must agree, and eyes of a loaded model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel, build_for_reading
from stages.model.decoder import initialise
from stages.model.sight import Encode, anchored, spliced
from stages.pictures.plan import Layout
from stages.shared.task import Ranks
from tests.stages.vision.train.world import settings

CONFIG = settings().model
VOCAB, PICTURE_ID = 300, 305


def test_rows_take_their_places_and_nothing_else_changes() -> None:
    embedded_TBD, rows_SD = torch.randn(5, 2, 3), torch.randn(4, 3)
    found = spliced(embedded_TBD, torch.tensor([2, 4, 1, 3]), rows_SD)
    assert torch.equal(found.flatten(0, 1)[[2, 4, 1, 3]], rows_SD)
    assert torch.equal(found.flatten(0, 1)[[0, 5, 6, 7, 8, 9]], embedded_TBD.flatten(0, 1)[[0, 5, 6, 7, 8, 9]])


@pytest.mark.parametrize("squares", [1, 3])
def test_more_or_fewer_features_than_places_is_an_error_with_both_counts(squares: int) -> None:
    with pytest.raises(
        ValueError, match=f"4 positions are planned for pictures, and their features take {2 * squares}"
    ):
        spliced(torch.zeros(5, 2, 3), torch.arange(4), torch.zeros(2 * squares, 3))


def test_an_anchor_changes_no_number_and_reaches_trained_weights_alone() -> None:
    trained, frozen = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).requires_grad_(False)
    embedded = torch.randn(2, 1, 3)
    found = anchored(embedded, (trained, frozen))
    assert torch.equal(found, embedded)
    found.sum().backward()
    assert trained.weight.grad is not None
    assert not trained.weight.grad.any()
    assert anchored(embedded, (frozen,)) is embedded


@dataclass
class Rows:
    """Pixels at the first positions of a sequence."""

    places_S: Tensor  # noqa: N815
    pixels: Tensor
    layouts: Sequence[Layout] = ()

    def features(self, encode: Encode) -> Tensor:
        return encode(self.pixels)


@pytest.mark.parametrize(("resolution", "positions"), [(None, 4), ("llava", 4 + 2 * 5)], ids=str)
def test_the_eyes_of_a_loaded_model_give_the_rows_that_its_forward_pass_sees(
    resolution: str | None, positions: int
) -> None:
    parallel.start(Ranks())
    assert CONFIG.eyes
    config = CONFIG.model_copy(update={"eyes": CONFIG.eyes.model_copy(update={"any_resolution": resolution})})
    model = build_for_reading(config, VOCAB, torch.float32)
    initialise(model, config, seed=3)
    eyes = LoadedModel(model, config, VOCAB, tokenizer_sha256="", step=0).eyes
    assert eyes is not None
    image = Image.fromarray(np.random.RandomState(1).randint(255, size=(16, 24, 3)).astype(np.uint8))
    squares = eyes.squares(image)
    rows_SD = eyes.rows(squares, image.size)
    assert len(rows_SD) == eyes.positions(image.size) == positions
    seen: list[Tensor] = []
    model.decoder.register_forward_pre_hook(
        lambda _module, _args, given: seen.append(given["hidden_states"]), with_kwargs=True
    )
    tokens = torch.tensor([[PICTURE_ID] * positions + [7, 8]])
    normalised = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each)[:, None, None] for each in (eyes.normalisation.mean, eyes.normalisation.std))
    with torch.inference_mode():
        pictures = Rows(torch.arange(positions), (normalised - mean) / std, [config.eyes.scheme.layout(image.size)])
        model(tokens, torch.arange(positions + 2)[None], pictures=pictures)
    assert torch.allclose(seen[0][:positions, 0], rows_SD, atol=1e-5)
    other = LoadedModel(model, config.model_copy(update={"eyes": None}), VOCAB, tokenizer_sha256="", step=0)
    assert other.eyes is None


def test_eyes_of_other_settings_have_another_identity() -> None:
    parallel.start(Ranks())
    assert CONFIG.eyes
    cropped = CONFIG.model_copy(update={"eyes": CONFIG.eyes.model_copy(update={"fit": "crop"})})
    model = build_for_reading(CONFIG, VOCAB, torch.float32)
    one, other = (LoadedModel(model, each, VOCAB, tokenizer_sha256="", step=0).eyes for each in (CONFIG, cropped))
    assert one
    assert other
    assert one.identity != other.identity
