"""Eyes of a loaded model: the rows that a forward pass sees."""

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
from stages.model.spliced import Encode
from stages.pictures.plan import Layout
from stages.shared.task import Ranks
from tests.stages.vision.train.world import settings

CONFIG = settings().model
VOCAB, PICTURE_ID = 300, 305


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
    eyes = LoadedModel(model, config, VOCAB, tokenizer_sha256="", step=0).sense
    assert eyes is not None
    image = Image.fromarray(np.random.RandomState(1).randint(255, size=(16, 24, 3)).astype(np.uint8))
    cut = eyes.cut(image)
    rows_SD = eyes.rows(cut)
    assert len(rows_SD) == eyes.positions(image.size) == positions
    seen: list[Tensor] = []
    model.decoder.register_forward_pre_hook(
        lambda _module, _args, given: seen.append(given["hidden_states"]), with_kwargs=True
    )
    tokens = torch.tensor([[PICTURE_ID] * positions + [7, 8]])
    normalised = torch.from_numpy(np.stack(cut.squares)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each)[:, None, None] for each in (eyes.normalisation.mean, eyes.normalisation.std))
    with torch.inference_mode():
        pictures = Rows(torch.arange(positions), (normalised - mean) / std, [config.eyes.scheme.layout(image.size)])
        model(tokens, torch.arange(positions + 2)[None], perceived=pictures)
    assert torch.allclose(seen[0][:positions, 0], rows_SD, atol=1e-5)
    other = LoadedModel(model, config.model_copy(update={"eyes": None}), VOCAB, tokenizer_sha256="", step=0)
    assert other.sense is None


def test_eyes_of_other_settings_have_another_identity() -> None:
    parallel.start(Ranks())
    assert CONFIG.eyes
    cropped = CONFIG.model_copy(update={"eyes": CONFIG.eyes.model_copy(update={"fit": "crop"})})
    model = build_for_reading(CONFIG, VOCAB, torch.float32)
    one, other = (LoadedModel(model, each, VOCAB, tokenizer_sha256="", step=0).sense for each in (CONFIG, cropped))
    assert one
    assert other
    assert one.identity != other.identity
