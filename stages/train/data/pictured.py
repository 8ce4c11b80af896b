"""Packed rows of chats with pictures or sounds, in order: what a model that sees or hears trains on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from megatron.core import parallel_state
from numpy.typing import NDArray

from stages.formats.chat.pictured import PicturedRows, Places
from stages.model.checkpoint.load import DTYPES
from stages.model.senses import Sense
from stages.pictures.album import Album
from stages.pictures.sounds import SoundShelf
from stages.shared.errors import DataError
from stages.train.config import TrainingConfig
from stages.train.data.corpus import SourceDataset
from stages.train.data.datasets import TrainingData
from stages.train.data.gallery import Gallery, gallery_of
from stages.train.data.packed import PackedSource, Rows, open_packed, sample_of
from stages.train.objectives.base import Batch

_REMEDY = "Run the unit that wrote it again"


@dataclass(frozen=True)
class Given:
    """What the samples of packed chats with pictures or sounds are made with."""

    gallery: Gallery
    placeholder: int
    """Id of the token that stands for a position."""
    spoken: Callable[[str], Sequence[int]] | None = None
    """Returns the tokens of a sound's words; None: they are not learned."""


class PicturedSamples(Rows):
    """Rows as samples, in the columns of stages.train.objectives.pictured."""

    def __init__(self, dataset: SourceDataset, length: int, given: Given) -> None:
        self.rows: PicturedRows = PicturedRows(dataset.bin_path)
        self.length, self._given = length, given

    def __getitem__(self, number: int) -> Batch:
        """Return a row. Side effect: on the first pipeline stage, its pictures or sounds begin to be loaded.

        Raises DataError if its placeholders are not where its pictures or sounds are.
        """
        row, places = self.rows.row(number), self.rows.pictures(number)
        is_placed = np.zeros(self.length, dtype=bool)
        for start, positions, _ in places:
            is_placed[start : start + positions] = True
        if not np.array_equal(is_placed[: len(row.tokens)], row.tokens == self._given.placeholder):
            found = int((row.tokens == self._given.placeholder).sum())
            problem = f"{found} placeholders and {int(is_placed.sum())} positions do not coincide"
            raise DataError(self.rows.path, problem, _REMEDY, record=f"row {number}")
        gallery = self._given.gallery
        units = gallery.units_of(places["key"])
        if parallel_state.get_pipeline_model_parallel_rank() == 0:
            gallery.expect(units.tolist())
        columns = {"is_placed": torch.from_numpy(is_placed), "units": torch.from_numpy(units)}
        return {**sample_of(row, self.length), **columns, **self._spoken(places)}

    def _spoken(self, places: Places) -> Batch:
        """Return the columns of stages.train.objectives.heard, if they are wanted."""
        if self._given.spoken is None:
            return {}
        words = [self._given.spoken(key.decode()) for key in places["key"]]
        return {
            "sound_lengths": torch.from_numpy(places["positions"].astype(np.int64)),
            "spoken": torch.tensor([token for each in words for token in each], dtype=torch.int64),
            "spoken_lengths": torch.tensor([len(each) for each in words], dtype=torch.int64),
        }


def open_gallery(sources: Sequence[PackedSource], shelf: Album | SoundShelf, sense: Sense, memory_mb: int) -> Gallery:
    """Return the pictures or sounds of all rows, the held-out ones too.

    Raises DataError for one that the shelf lacks, or that takes other positions than the rows have for it.
    """
    files = [PicturedRows(each.bin_path) for source in sources for each in (source.rows, source.heldout)]
    keys = np.unique(np.concatenate([rows.places["key"] for rows in files]))
    for rows in files:
        _require_in(shelf, rows.path, np.unique(rows.places["key"]))
    gallery = gallery_of(shelf, sense, keys, memory_mb=memory_mb)
    for rows in files:
        planned = gallery.positions[np.searchsorted(keys, rows.places["key"])]
        wrong = np.flatnonzero(planned != rows.places["positions"])
        if len(wrong):
            place = rows.places[wrong[0]]
            problem = f"{place['positions']} positions of one of the {shelf.field} that takes {planned[wrong[0]]}"
            raise DataError(rows.path, problem, _REMEDY, record=place["key"].decode())
    return gallery


def open_pictured(
    sources: Sequence[PackedSource],
    config: TrainingConfig,
    given: Given,
    keep: Literal["auto", "cached", "each_step"],
) -> TrainingData:
    """Return the samples of packed chats with pictures or sounds.

    Features of the gallery are kept with `auto` if a rank reads its units more than once, and if they fit. Raises
    what open_packed raises.
    """
    gallery = given.gallery

    def samples_of(dataset: SourceDataset, length: int) -> PicturedSamples:
        return PicturedSamples(dataset, length, given)

    data = open_packed(sources, config, samples_of)
    read = sum(reading.epochs * _units(source, gallery) for reading, source in zip(data.readings, sources, strict=True))
    is_kept = keep == "cached" or (keep == "auto" and read > len(gallery) * config.layout.dp)
    files, units = gallery.nouns
    line = f"{files}: {len(gallery.keys):,}, {len(gallery):,} {units}"
    if is_kept:
        dtype = DTYPES[config.dtype]
        is_kept = gallery.keep_features(dtype)
        line += f", {gallery.feature_bytes(dtype) / 1e6:,.0f} MB of features"
    line += ", encoded once" if is_kept else ", encoded each time that they are read"
    return replace(data, lines=[*data.lines, line])


def _units(source: PackedSource, gallery: Gallery) -> int:
    """Return the units that a source's rows read."""
    return len(gallery.units_of(PicturedRows(source.rows.bin_path).places["key"]))


def _require_in(shelf: Album | SoundShelf, path: Path, keys: NDArray[np.bytes_]) -> None:
    for key in keys:
        try:
            shelf.size(key.decode())
        except KeyError as error:
            problem = f"names {shelf.field} that no collection has"
            raise DataError(path, problem, "Name all collections of the chats", record=key.decode()) from error
