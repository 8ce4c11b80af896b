"""Eyes of a loaded model: the rows that a forward pass sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel, build_for_reading
from stages.model.decoder import initialise
from stages.model.spliced import Encode
from stages.shared.task import Ranks
from tests.stages.vision.train.world import settings

CONFIG = settings().model
VOCAB, PICTURE_ID = 300, 305


@dataclass
class Rows:
    """Pixels at the first positions of a sequence."""

    places_S: Tensor  # noqa: N815
    pixels: Tensor

    def features(self, encode: Encode) -> Tensor:
        return encode(self.pixels)


def test_the_eyes_of_a_loaded_model_give_the_rows_that_its_forward_pass_sees() -> None:
    parallel.start(Ranks())
    model = build_for_reading(CONFIG, VOCAB, torch.float32)
    initialise(model, CONFIG, seed=3)
    eyes = LoadedModel(model, CONFIG, VOCAB, tokenizer_sha256="", step=0).sense
    assert eyes is not None
    image = Image.fromarray(np.random.RandomState(1).randint(255, size=(16, 24, 3)).astype(np.uint8))
    squares = eyes.cut(image)
    rows_SD = eyes.rows(squares)
    assert len(rows_SD) == eyes.positions(image.size) == 4
    seen: list[Tensor] = []
    model.decoder.register_forward_pre_hook(
        lambda _module, _args, given: seen.append(given["hidden_states"]), with_kwargs=True
    )
    tokens = torch.tensor([[PICTURE_ID] * 4 + [7, 8]])
    normalised = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each)[:, None, None] for each in (eyes.normalisation.mean, eyes.normalisation.std))
    with torch.inference_mode():
        pictures = Rows(torch.arange(4), (normalised - mean) / std)
        model(tokens, torch.arange(6)[None], perceived=pictures)
    assert torch.allclose(seen[0][:4, 0], rows_SD, atol=1e-5)
    other = LoadedModel(model, CONFIG.model_copy(update={"eyes": None}), VOCAB, tokenizer_sha256="", step=0)
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
