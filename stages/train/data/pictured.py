"""Packed rows of chats with pictures, in order: what a model that sees trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from megatron.core import parallel_state
from numpy.typing import NDArray

from stages.formats.chat.pictured import PicturedRows
from stages.model.checkpoint.load import DTYPES
from stages.model.eyes import EyesConfig
from stages.pictures.album import Album
from stages.shared.errors import DataError
from stages.train.config import TrainingConfig
from stages.train.data.corpus import SourceDataset
from stages.train.data.datasets import TrainingData
from stages.train.data.gallery import Gallery
from stages.train.data.packed import PackedSource, Rows, open_packed, sample_of
from stages.train.objectives.base import Batch

_REMEDY = "Run the unit that wrote it again"


class PicturedSamples(Rows):
    """Rows as samples, in the columns of stages.train.objectives.pictured."""

    def __init__(self, dataset: SourceDataset, length: int, gallery: Gallery, picture_id: int) -> None:
        self.rows: PicturedRows = PicturedRows(dataset.bin_path)
        self.length, self._gallery, self._picture_id = length, gallery, picture_id

    def __getitem__(self, number: int) -> Batch:
        """Return a row. Side effect: on the first pipeline stage, its pictures begin to be decoded.

        Raises DataError if its placeholders are not where its pictures are.
        """
        row, places = self.rows.row(number), self.rows.pictures(number)
        is_picture = np.zeros(self.length, dtype=bool)
        for start, positions, _ in places:
            is_picture[start : start + positions] = True
        if not np.array_equal(is_picture[: len(row.tokens)], row.tokens == self._picture_id):
            found = int((row.tokens == self._picture_id).sum())
            problem = f"{found} placeholders and {int(is_picture.sum())} positions of pictures do not coincide"
            raise DataError(self.rows.path, problem, _REMEDY, record=f"row {number}")
        squares = self._gallery.squares_of(places["key"])
        if parallel_state.get_pipeline_model_parallel_rank() == 0:
            self._gallery.expect(squares.tolist())
        columns = {"is_picture": torch.from_numpy(is_picture), "squares": torch.from_numpy(squares)}
        return {**sample_of(row, self.length), **columns}


def open_gallery(sources: Sequence[PackedSource], album: Album, eyes: EyesConfig, memory_mb: int) -> Gallery:
    """Return the pictures of all rows, the held-out ones too.

    Raises DataError for a picture that the album lacks, or that takes other positions than the rows have for it.
    """
    files = [PicturedRows(each.bin_path) for source in sources for each in (source.rows, source.heldout)]
    keys = np.unique(np.concatenate([rows.places["key"] for rows in files]))
    for rows in files:
        _require_in(album, rows.path, np.unique(rows.places["key"]))
    gallery = Gallery(album, eyes, keys, memory_mb=memory_mb)
    for rows in files:
        planned = gallery.positions[np.searchsorted(keys, rows.places["key"])]
        wrong = np.flatnonzero(planned != rows.places["positions"])
        if len(wrong):
            place = rows.places[wrong[0]]
            problem = f"{place['positions']} positions of a picture that takes {planned[wrong[0]]}"
            raise DataError(rows.path, problem, _REMEDY, record=place["key"].decode())
    return gallery


def open_pictured(
    sources: Sequence[PackedSource],
    config: TrainingConfig,
    gallery: Gallery,
    picture_id: int,
    keep: Literal["auto", "cached", "each_step"],
) -> TrainingData:
    """Return the samples of packed chats with pictures.

    Features of the gallery are kept with `auto` if a rank reads its pictures more than once, and if they fit. Raises
    what open_packed raises.
    """

    def samples_of(dataset: SourceDataset, length: int) -> PicturedSamples:
        return PicturedSamples(dataset, length, gallery, picture_id)

    data = open_packed(sources, config, samples_of)
    read = sum(
        reading.epochs * _squares(source, gallery) for reading, source in zip(data.readings, sources, strict=True)
    )
    is_kept = keep == "cached" or (keep == "auto" and read > len(gallery) * config.layout.dp)
    line = f"pictures: {len(gallery.keys):,}, {len(gallery):,} squares"
    if is_kept:
        dtype = DTYPES[config.dtype]
        is_kept = gallery.keep_features(dtype)
        line += f", {gallery.feature_bytes(dtype) / 1e6:,.0f} MB of features"
    line += ", encoded once" if is_kept else ", encoded each time that they are read"
    return replace(data, lines=[*data.lines, line])


def _squares(source: PackedSource, gallery: Gallery) -> int:
    """Return the squares of the pictures of a source's rows."""
    return len(gallery.squares_of(PicturedRows(source.rows.bin_path).places["key"]))


def _require_in(album: Album, path: Path, keys: NDArray[np.bytes_]) -> None:
    for key in keys:
        try:
            album.size(key.decode())
        except KeyError as error:
            problem = "a picture that no collection has"
            raise DataError(path, problem, "Name all collections of the chats", record=key.decode()) from error
