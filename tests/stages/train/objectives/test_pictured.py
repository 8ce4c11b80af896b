"""The loss of packed chats with pictures: that of each chat alone. Placeholders, features and labels meet exactly."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.formats.chat.packed import Example, Placed
from stages.formats.chat.pictured import PicturedWriter
from stages.formats.pictures.collections import Collection
from stages.model import parallel
from stages.model.decoder import Decoder, build_model, initialise, take_documents
from stages.pictures.album import Album
from stages.shared.errors import DataError
from stages.shared.task import Ranks
from stages.train.data.batches import microbatches
from stages.train.data.corpus import SourceDataset
from stages.train.data.gallery import Gallery, PictureGallery
from stages.train.data.packed import PackedSource
from stages.train.data.pictured import Given, PicturedSamples, open_gallery
from stages.train.objectives.base import Batch, LossOutputs
from stages.train.objectives.pictured import LearnPictured, frozen_names
from tests.stages.vision.train.world import settings, write_pictures

VOCAB, LENGTH, POSITIONS, PICTURE_ID = 300, 64, 4, 305
CONFIG = settings(microbatch=1)


@cache
def decoder() -> Decoder:
    parallel.start(Ranks())
    core = build_model(CONFIG.model, VOCAB)
    initialise(core, CONFIG.model, seed=3)
    take_documents(core)
    return core


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in a collection."""
    folder = tmp_path_factory.mktemp("gallery")
    write_pictures(folder / "pictures", 24)
    return folder


def examples(keys: Sequence[str]) -> list[Example]:
    """Return examples with no picture, one and two; the last third is learned."""
    draw = np.random.RandomState(5)
    found = []
    for size, starts in ((13, ()), (16, (2,)), (20, (0, 9)), (15, (3,))):
        tokens, pictures = draw.randint(VOCAB, size=size), []
        for start in starts:
            tokens[start : start + POSITIONS] = PICTURE_ID
            pictures.append(Placed(start, POSITIONS, keys[draw.randint(len(keys))]))
        found.append(Example(tokens, np.arange(size) > 2 * size // 3, pictures))
    return found


def keys_of(folder: Path) -> list[str]:
    with Collection(folder / "pictures") as pictures:
        return [row["key"].decode() for row in pictures.rows]


def written(folder: Path, name: str, rows: Sequence[Sequence[Example]]) -> SourceDataset:
    with PicturedWriter(folder / f"{name}.bin", VOCAB) as writer:
        for row in rows:
            writer.write(row)
    return SourceDataset(name, folder / f"{name}.bin")


def gallery_of(folder: Path, *datasets: SourceDataset) -> Gallery:
    assert CONFIG.model.eyes
    sources = [PackedSource(rows=each, heldout=each) for each in datasets]
    return open_gallery(sources, Album([folder / "pictures"]), CONFIG.model.eyes, memory_mb=10)


def losses(samples: Sequence[Batch], gallery: Gallery, train: Sequence[str] = ("join",)) -> list[LossOutputs]:
    objective, found = LearnPictured(CONFIG, gallery, train), []
    for batch in microbatches(samples, objective.columns, CONFIG.microbatch, 1):
        output, loss_of = objective.forward("model", decoder(), batch)
        found.append(loss_of(output))
    return found


def mean(found: list[LossOutputs]) -> Tensor:
    return sum(each.total.detach() for each in found) / sum(each.count for each in found)  # type: ignore[return-value]


def samples_of(dataset: SourceDataset, gallery: Gallery) -> list[Batch]:
    made = PicturedSamples(dataset, LENGTH, Given(gallery, PICTURE_ID))
    return [made[number] for number in range(len(made))]


@pytest.fixture(scope="module")
def world(folder: Path) -> tuple[SourceDataset, SourceDataset, Gallery]:
    """Return examples that share a row, the same ones each alone, and their pictures."""
    parallel.start(Ranks())
    made = examples(keys_of(folder))
    packed, single = written(folder, "packed", [made]), written(folder, "single", [[each] for each in made])
    return packed, single, gallery_of(folder, packed, single)


def test_the_loss_of_packed_chats_is_that_of_the_chats_alone(
    world: tuple[SourceDataset, SourceDataset, Gallery],
) -> None:
    packed, single, gallery = world
    one, other = (losses(samples_of(each, gallery), gallery) for each in (packed, single))
    assert sum(int(each.count) for each in one) == sum(int(each.count) for each in other) > 0
    assert float(mean(one)) == pytest.approx(float(mean(other)), abs=1e-6)


def test_no_position_of_a_picture_is_a_label_and_each_label_is_the_next_token(
    world: tuple[SourceDataset, SourceDataset, Gallery],
) -> None:
    packed, _, gallery = world
    (sample,) = samples_of(packed, gallery)
    learned = sample["loss_mask"] > 0
    assert not (sample["labels"][learned] == PICTURE_ID).any()
    assert torch.equal(sample["labels"][:-1][learned[:-1]], sample["tokens"][1:][learned[:-1]])
    assert int(sample["is_placed"].sum()) == POSITIONS * len(sample["units"]) == 16


def test_features_that_are_kept_give_the_loss_of_those_made_each_step(
    folder: Path, world: tuple[SourceDataset, SourceDataset, Gallery]
) -> None:
    packed, single, gallery = world
    kept = gallery_of(folder, packed, single)
    assert kept.keep_features(torch.float32)
    expected = float(mean(losses(samples_of(single, gallery), gallery)))
    for _ in range(2):
        assert float(mean(losses(samples_of(single, kept), kept))) == pytest.approx(expected, abs=1e-6)


def test_kept_features_do_not_depend_on_the_order_in_which_pictures_are_seen(
    folder: Path, world: tuple[SourceDataset, SourceDataset, Gallery]
) -> None:
    keys, found = world[2].keys, []
    assert CONFIG.model.eyes
    for seed in (1, 2):
        gallery = PictureGallery(Album([folder / "pictures"]), CONFIG.model.eyes, keys, memory_mb=10)
        gallery.keep_features(torch.float32)
        order = random.Random(seed).sample(range(len(gallery)), len(gallery))
        for number in order:
            gallery.features([number], decoder().encoder)
        found.append(gallery.features(range(len(gallery)), decoder().encoder))
    assert torch.equal(*found)


def test_each_picture_changes_its_own_chat_and_no_other(
    world: tuple[SourceDataset, SourceDataset, Gallery],
) -> None:
    packed, _, gallery = world
    (sample,) = samples_of(packed, gallery)
    objective = LearnPictured(CONFIG, gallery, ["join"])

    def logits(squares: Tensor) -> Tensor:
        batch = next(microbatches([{**sample, "units": squares}], objective.columns, 1, 1))
        return objective.forward("model", decoder(), batch)[0][0]

    before = logits(sample["units"])
    example = np.repeat(np.arange(4), sample["document_lengths"].numpy())
    of_label = torch.from_numpy(example[sample["is_learned"].numpy()])
    for picture, owner in enumerate((1, 2, 2, 3)):
        squares = sample["units"].clone()
        squares[picture] = (squares[picture] + 1) % len(gallery)
        changed = (logits(squares) != before).any(-1)
        assert changed[of_label == owner].all()
        assert not changed[of_label != owner].any()


def test_a_batch_of_text_alone_gives_every_trained_part_a_gradient_of_0(
    folder: Path, world: tuple[SourceDataset, SourceDataset, Gallery]
) -> None:
    text = [Example(each.tokens, each.is_learned) for each in examples(["x"])[:1]]
    _, _, gallery = world
    (found,) = losses(samples_of(written(folder, "text", [text]), gallery), gallery)
    decoder().zero_grad()
    found.total.backward()
    for part in (decoder().join, decoder().encoder):
        assert all(weight.grad is not None and not weight.grad.any() for weight in part.parameters())
    decoder().zero_grad()


def test_placeholders_that_are_not_where_the_pictures_are_name_the_row(
    folder: Path, world: tuple[SourceDataset, SourceDataset, Gallery]
) -> None:
    _, _, gallery = world
    key = gallery.keys[0].decode()
    moved = [Example(each.tokens, each.is_learned, [Placed(4, POSITIONS, key)]) for each in examples([key])[1:2]]
    with pytest.raises(DataError, match=r"row 0.*4 placeholders and 4 positions"):
        samples_of(written(folder, "moved", [moved]), gallery)


def test_pictures_that_were_planned_otherwise_or_are_missing_are_named(folder: Path) -> None:
    keys = keys_of(folder)
    tokens, learned = np.full(9, PICTURE_ID), np.ones(9, dtype=bool)
    with pytest.raises(DataError, match=f"{keys[0]}.*9 positions of one of the pictures that takes 4"):
        gallery_of(folder, written(folder, "planned", [[Example(tokens, learned, [Placed(0, 9, keys[0])])]]))
    with pytest.raises(DataError, match=f"{'f' * 32}.*no collection has"):
        gallery_of(folder, written(folder, "missing", [[Example(tokens, learned, [Placed(0, 9, "f" * 32)])]]))


def test_parts_that_are_not_named_are_frozen_by_the_names_of_their_weights() -> None:
    assert frozen_names(["join"]) == ("encoder.*", "decoder.*", "embedding.*", "output_layer.*")
    assert frozen_names(["join", "decoder"]) == ("encoder.*",)
    assert frozen_names(["encoder", "join", "decoder"]) == ()
