"""Ears of a loaded model: the pieces of a sound, and the rows that a forward pass sees."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel, build_for_reading
from stages.model.decoder import initialise
from stages.model.listening import Listener, pieces, stacked
from stages.model.spliced import Encode
from stages.shared.task import Ranks
from tests.stages.model.speech.signals import samples
from tests.stages.speech.train.world import settings

CONFIG = settings().model
VOCAB = 300


def test_features_are_stacked_and_the_last_stack_is_filled_with_zeros() -> None:
    found = stacked(torch.arange(1.0, 7.0).view(3, 2), 2)
    assert found.tolist() == [[1, 2, 3, 4], [5, 6, 0, 0]]


def test_a_long_sound_is_cut_into_pieces_that_have_the_planned_positions() -> None:
    assert CONFIG.ears
    ears = CONFIG.ears.model_copy(update={"max_seconds": 1})
    found = pieces(ears, samples(40_000))
    assert [len(piece) for piece in found] == [83, 83, 84]
    assert sum(ears.hearing.positions(160 * len(piece)) for piece in found) == ears.positions(40_000)
    assert pieces(ears, samples(100)) == []


@dataclass
class Heard:
    """A sound at the first positions of a sequence."""

    places_S: Tensor  # noqa: N815
    rows: Tensor

    def features(self, encode: Encode) -> Tensor:
        return self.rows


def test_the_ears_of_a_loaded_model_give_the_rows_that_its_forward_pass_sees() -> None:
    parallel.start(Ranks())
    model = build_for_reading(CONFIG, VOCAB, torch.float32)
    initialise(model, CONFIG, seed=3)
    ears = LoadedModel(model, CONFIG, VOCAB, tokenizer_sha256="", step=0).sense
    assert isinstance(ears, Listener)
    assert CONFIG.ears
    cut = ears.cut(samples(4_000))
    rows = ears.rows(cut)
    assert rows.shape == (ears.positions(4_000), CONFIG.dim)
    features = stacked(model.encoder([torch.from_numpy(cut[0])])[0], CONFIG.ears.stack)[None]
    tokens = torch.full((1, 6), 9)
    taken: list[Tensor] = []
    model.decoder.register_forward_pre_hook(lambda _, __, given: taken.append(given["hidden_states"]), with_kwargs=True)
    with torch.inference_mode():
        model(tokens, torch.arange(6)[None], perceived=Heard(torch.arange(len(rows)), features))
    assert torch.allclose(taken[0][: len(rows), 0], rows, atol=1e-6)
    with pytest.raises(ValueError, match="no ears"):
        Listener(CONFIG.ears, None, None).rows(cut)


def test_other_ears_have_another_identity() -> None:
    assert CONFIG.ears
    other = CONFIG.ears.model_copy(update={"stack": 3})
    assert Listener(CONFIG.ears, None, None).identity != Listener(other, None, None).identity
