"""Pairs of pictures and captions: every picture once an epoch, held-out ones never, the same in any order of asking."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.pictures.collections import Collection
from stages.formats.tokenizer import Tokenizer
from stages.pictures.plan import Encoder, Fixed
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.train.data.captions import CaptionedPictures, open_captions, pixels_of
from stages.vision.contrastive.config import ContrastiveConfig
from tests.stages.vision.contrastive.world import write_world

PIXELS = pixels_of(Fixed(encoder=Encoder(size=16, patch=4)), "clip")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("pairs"), count=18)


def pairs(world: Path, seed: int = 1, text_len: int = 24) -> CaptionedPictures:
    collection, tokenizer = Collection(world / "pictures"), Tokenizer(world / "tokenizer.model")
    places = [(collection, row) for row in range(len(collection))]
    return CaptionedPictures(places, tokenizer, text_len, PIXELS, seed)


def settings(**changes: object) -> ContrastiveConfig:
    given = {"pictures": "p", "tokenizer": "t", "steps": 3, "warmup_steps": 1, "global_batch": 6, "microbatch": 6}
    return ContrastiveConfig.model_validate(given | changes)


def test_an_epoch_has_every_picture_once_in_an_order_of_its_own(world: Path) -> None:
    made = pairs(world)
    epochs = [[int(made[number]["picture"]) for number in range(first, first + 18)] for first in (0, 18)]
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert len({*epochs[0]}) == 18
    assert epochs[0] != epochs[1]
    assert int(pairs(world)[20]["picture"]) == epochs[1][2]
    assert [int(pairs(world, seed=2)[number]["picture"]) for number in range(18)] != epochs[0]


def test_a_caption_stands_between_two_ends_and_is_read_at_the_second(world: Path) -> None:
    made, tokenizer = pairs(world), Tokenizer(world / "tokenizer.model")
    sample = made[0]
    tokens, last = sample["tokens"].tolist(), int(sample["last"])
    assert tokens[0] == tokens[last] == tokenizer.eos_id
    assert tokenizer.decode(tokens[1:last]).strip().startswith("a ")
    assert {*tokens[last:]} == {tokenizer.eos_id}
    cut = pairs(world, text_len=5)[0]
    assert (cut["tokens"][:4].tolist(), int(cut["last"])) == (tokens[:4], 4)
    assert sample["pixels"].shape == (3, 16, 16)


def test_equal_captions_have_equal_numbers(world: Path) -> None:
    made, tokenizer = pairs(world), Tokenizer(world / "tokenizer.model")
    samples = [made[number] for number in range(18)]
    texts = [tokenizer.decode(sample["tokens"][1 : int(sample["last"])].tolist()) for sample in samples]
    numbers = [int(sample["caption"]) for sample in samples]
    assert len({*texts}) == len({*numbers}) == len({*zip(texts, numbers, strict=True)}) == 12


def test_held_out_pictures_are_never_trained_on(world: Path) -> None:
    files, tokenizer = [InputFile(world / "pictures", "made")], Tokenizer(world / "tokenizer.model")
    config = settings(heldout_batches=1, heldout_every=1)
    data = open_captions(files, config, tokenizer, 24, PIXELS)
    assert isinstance(data.heldout, CaptionedPictures)
    held = {int(data.heldout[number]["picture"]) for number in range(6)}
    trained = {int(sample["picture"]) for step in range(3) for sample in data.feed.take(step, {}, None)[0]}  # type: ignore[arg-type]
    assert len(held) == 6
    assert len(trained) == 12
    assert not held & trained
    with pytest.raises(DataError, match=r"18 pictures with captions, 0 of them to train on. A step takes 6"):
        open_captions(files, settings(heldout_batches=3), tokenizer, 24, PIXELS)
