"""Pictures of collections with their captions, pair by pair, in order: what a contrastive training trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from stages.formats.pictures.collections import Collection, Picture
from stages.formats.tokenizer import Tokenizer
from stages.model.sight import NORMALISATIONS
from stages.pictures.album import image_of
from stages.pictures.plan import Fixed
from stages.pictures.prepare import normalised, squares
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.files import sampled_digest
from stages.train.config import TrainingConfig
from stages.train.data.datasets import TrainingData
from stages.train.data.feed import InOrder
from stages.train.data.gallery import Gallery
from stages.train.data.packed import permutation
from stages.train.objectives.base import Batch

PictureOf = Callable[[Collection, Picture], Batch]
"""Returns the columns of a picture of a collection."""


class CaptionedPictures(Dataset[Batch]):
    """Pairs, epoch after epoch: each holds every picture once, with one of its captions, in an order of its own.

    The order is a function of the seed and the epoch, the caption one of the seed and the pair's number.
    """

    def __init__(
        self,
        places: Sequence[tuple[Collection, int]],
        tokenizer: Tokenizer,
        text_len: int,
        picture_of: PictureOf,
        seed: int,
    ) -> None:
        """Take the pictures at places in collections. Their captions are cut to `text_len` tokens."""
        self._places, self._tokenizer, self._text_len, self._seed = places, tokenizer, text_len, seed
        self._picture_of = picture_of
        self._order = lru_cache(maxsize=2)(lambda epoch: permutation(len(places), f"{seed}/pictures/{epoch}"))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Batch:
        epoch, place = divmod(number, len(self._places))
        collection, row = self._places[int(self._order(epoch)[place])]
        picture = collection[row]
        caption = picture.captions[_digest(f"{self._seed}/{number}") % len(picture.captions)]
        tokens, last = self._encoded(caption)
        return {
            "tokens": torch.from_numpy(tokens),
            "position_ids": torch.arange(self._text_len),
            "last": torch.tensor(last),
            "number": torch.tensor(number),
            "caption": torch.tensor(_digest(caption)),
            "picture": torch.tensor(_digest(picture.key)),
            **self._picture_of(collection, picture),
        }

    def _encoded(self, caption: str) -> tuple[NDArray[np.int64], int]:
        """Return a caption between two end-of-text tokens, padded with them, and the place of the second."""
        end = self._tokenizer.eos_id
        ids = self._tokenizer.encode(caption)[: self._text_len - 2]
        tokens = np.full(self._text_len, end, np.int64)
        tokens[1 : len(ids) + 1] = ids
        return tokens, len(ids) + 1


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big") >> 1


def pixels_of(scheme: Fixed, normalisation: str) -> PictureOf:
    """Return the function that decodes a picture to the pixels of one square, normalised."""
    colours = NORMALISATIONS[normalisation]

    def columns(collection: Collection, picture: Picture) -> Batch:
        (pixels_CSS,) = normalised(squares(image_of(collection, picture), scheme, colours), colours)
        return {"pixels": torch.from_numpy(pixels_CSS)}

    return columns


def squares_in(gallery: Gallery) -> PictureOf:
    """Return the function that finds a picture's squares in a gallery. Side effect: they begin to be decoded."""

    def columns(_collection: Collection, picture: Picture) -> Batch:
        numbers = gallery.units_of(np.array([picture.key], dtype=gallery.keys.dtype))
        gallery.expect(numbers.tolist())
        return {"squares": torch.from_numpy(numbers)}

    return columns


def captioned(files: Sequence[InputFile]) -> list[tuple[Collection, int]]:
    """Return the places of all pictures of collections that have a caption."""
    collections = [Collection(file.path) for file in files]
    return [(each, int(row)) for each in collections for row in np.flatnonzero(each.rows["captions"])]


def open_captions(
    files: Sequence[InputFile], config: TrainingConfig, tokenizer: Tokenizer, text_len: int, picture_of: PictureOf
) -> TrainingData:
    """Return the pairs of collections, all pictures with a caption; a share of them is held out.

    Raises DataError if fewer are left than a step takes.
    """
    places = captioned(files)
    order = permutation(len(places), f"{config.seed}/heldout")
    chosen = [places[place] for place in order]
    about = (tokenizer, text_len, picture_of, config.seed)
    apart, used = chosen[: config.heldout_sequences], chosen[config.heldout_sequences :]
    if len(used) < config.global_batch:
        problem = f"{len(places)} pictures with captions, {len(used)} of them to train on"
        remedy = f"A step takes {config.global_batch}: give more, or fewer heldout_batches"
        raise DataError(files[0].path, problem, remedy)
    pairs = CaptionedPictures(used, *about)
    passes = config.steps * config.global_batch / len(used)
    return TrainingData(
        feed=InOrder(lambda _sequences: pairs, config.schedule),
        heldout=CaptionedPictures(apart, *about) if config.heldout_every is not None else None,
        identity={file.source: sampled_digest(file.path / "index.npy") for file in files},
        lines=[f"{len(used):,} pictures with captions, each read {passes:.1f} times; {len(apart):,} held out"],
    )
