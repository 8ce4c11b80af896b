"""The pictures or sounds of a training as what their encoder takes: loaded ahead on threads, or their features kept.

A picture is some squares, a sound some pieces: its units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.model import device
from stages.model.ears import EarsConfig
from stages.model.eyes import EyesConfig
from stages.model.listening import pieces, stacked
from stages.model.senses import Sense
from stages.model.sight import NORMALISATIONS
from stages.model.spliced import Encode
from stages.pictures.album import Album
from stages.pictures.prepare import normalised, squares
from stages.pictures.sounds import SoundShelf

# Shape suffixes: N = squares, C = 3 channels, H = pixels of a side, P = features of a square, W = width of a feature,
# S = positions of all sounds.

BLOCK = 16
"""Units whose features are made together and kept. Blocks are the same whenever they are made: kernels may add up in
another order for another number of units, and a training that was killed would end with other bits."""
_THREADS = 2
"""Threads that load: Pillow and torch compute without Python's lock."""
_MB = 1 << 20
Unit = NDArray[Any]
"""A square's pixels or a piece's frames."""


class Gallery(ABC):
    """The units of the pictures or sounds of some keys, numbered in order of the keys."""

    nouns: ClassVar[tuple[str, str]]
    """The files and their units, for people."""

    def __init__(self, keys: NDArray[np.bytes_], counts: Sequence[int], unit_bytes: int, memory_mb: int) -> None:
        """`keys` are sorted, and `counts` are the units of each. Units, or features, take at most `memory_mb`."""
        self.keys = keys
        self.counts: NDArray[np.int64] = np.array(counts, dtype=np.int64)
        self._ends = np.cumsum(self.counts)
        self._bytes = memory_mb * _MB
        self._most = max(1, self._bytes // unit_bytes)
        self._pool = ThreadPoolExecutor(_THREADS)
        self._coming: OrderedDict[int, Future[Sequence[Unit]]] = OrderedDict()
        self._lock = Lock()
        self._held: dict[int, Sequence[Tensor]] = {}
        self.is_cached = False
        """Whether features are kept: of a frozen encoder alone."""

    @property
    @abstractmethod
    def positions(self) -> NDArray[np.int64]:
        """Positions of each key's picture or sound."""

    @abstractmethod
    def feature_bytes(self, dtype: torch.dtype) -> int:
        """Return the memory of all features."""

    @abstractmethod
    def _load(self, key: str) -> Sequence[Unit]:
        """Return the units of a key."""

    @abstractmethod
    def _encoded(self, units: Sequence[Unit], encode: Encode) -> Sequence[Tensor]:
        """Return the features of each unit."""

    @abstractmethod
    def _together(self, features: Sequence[Tensor]) -> Tensor:
        """Return the features of several units as the join takes them."""

    def __len__(self) -> int:
        """Return the number of units."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def keep_features(self, dtype: torch.dtype) -> bool:
        """Keep all features if they fit into the memory; return whether they do."""
        self.is_cached = self.feature_bytes(dtype) <= self._bytes
        return self.is_cached

    def units_of(self, keys: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """Return the numbers of the units of keys, in order."""
        found = np.searchsorted(self.keys, keys)
        counts = self.counts[found]
        starts = self._ends[found] - counts
        inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        numbers: NDArray[np.int64] = np.repeat(starts, counts) + inner
        return numbers

    def expect(self, numbers: Iterable[int]) -> None:
        """Begin to load units. Side effect: forgets those that were wanted least recently."""
        if self.is_cached:
            return
        for place in dict.fromkeys(self._place(number) for number in numbers):
            self._loaded(place)

    def features(self, numbers: Sequence[int], encode: Encode) -> Tensor:
        """Return the features of units as the join takes them, on the device."""
        if not self.is_cached:
            return self._together(self._encoded(self._units(numbers), encode))
        for block in dict.fromkeys(number // BLOCK for number in numbers):
            if block not in self._held:
                together = range(block * BLOCK, min((block + 1) * BLOCK, len(self)))
                with torch.no_grad():
                    self._held[block] = [each.cpu() for each in self._encoded(self._units(together), encode)]
                self._coming.clear()
        kept = [self._held[number // BLOCK][number % BLOCK] for number in numbers]
        return self._together(kept).to(device.device())

    def _units(self, numbers: Sequence[int]) -> list[Unit]:
        wanted = [(self._loaded(self._place(number)), number) for number in numbers]
        return [coming.result()[number - self._first(number)] for coming, number in wanted]

    def _place(self, number: int) -> int:
        """Return the place of a unit's key."""
        return int(np.searchsorted(self._ends, number, side="right"))

    def _first(self, number: int) -> int:
        """Return the first unit of a unit's key."""
        place = self._place(number)
        return int(self._ends[place] - self.counts[place])

    def _loaded(self, place: int) -> Future[Sequence[Unit]]:
        with self._lock:  # samples may be read ahead on a thread
            coming = self._coming.get(place)
            if coming is None:
                coming = self._coming[place] = self._pool.submit(self._load, self.keys[place].decode())
            self._coming.move_to_end(place)
            while len(self._coming) > self._most:
                self._coming.popitem(last=False)
            return coming


class PictureGallery(Gallery):
    """The squares of pictures."""

    nouns = ("pictures", "squares")

    def __init__(self, album: Album, eyes: EyesConfig, keys: NDArray[np.bytes_], *, memory_mb: int) -> None:
        """The album has all keys."""
        self._album, self._eyes = album, eyes
        counts = [eyes.squares(album.size(key.decode())) for key in keys]
        super().__init__(keys, counts, 3 * eyes.encoder.picture_size**2, memory_mb)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Positions of each picture."""
        return self.counts * self._eyes.square_positions

    def feature_bytes(self, dtype: torch.dtype) -> int:
        """Return the memory of all features."""
        return len(self) * self._eyes.encoder.num_features * self._eyes.encoder.dim * dtype.itemsize

    def _load(self, key: str) -> Sequence[Unit]:
        eyes = self._eyes
        return squares(self._album.load(key), eyes.scheme, NORMALISATIONS[eyes.normalisation])

    def _encoded(self, units: Sequence[Unit], encode: Encode) -> Sequence[Tensor]:
        pixels = torch.from_numpy(normalised(units, NORMALISATIONS[self._eyes.normalisation])).to(device.device())
        features_NPW: Sequence[Tensor] = encode(pixels)  # a tensor is a sequence of those of its first axis
        return features_NPW

    def _together(self, features: Sequence[Tensor]) -> Tensor:
        return features if isinstance(features, Tensor) else torch.stack([*features])


class SoundGallery(Gallery):
    """The pieces of sounds."""

    nouns = ("sounds", "pieces")

    def __init__(self, shelf: SoundShelf, ears: EarsConfig, keys: NDArray[np.bytes_], *, memory_mb: int) -> None:
        """The shelf has all keys."""
        self._shelf, self._ears = shelf, ears
        sizes = [shelf.size(key.decode()) for key in keys]
        self._positions: NDArray[np.int64] = np.array([ears.positions(size) for size in sizes], dtype=np.int64)
        longest = min(max(sizes, default=1), ears.hearing.max_samples)
        unit_bytes = 4 * ears.encoder.num_mels * max(1, ears.hearing.frames(longest))
        super().__init__(keys, [ears.units(size) for size in sizes], unit_bytes, memory_mb)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Positions of each sound."""
        return self._positions

    def feature_bytes(self, dtype: torch.dtype) -> int:
        """Return the memory of all features."""
        return int(self._positions.sum()) * self._ears.width * dtype.itemsize

    def _load(self, key: str) -> Sequence[Unit]:
        return pieces(self._ears, self._shelf.load(key))

    def _encoded(self, units: Sequence[Unit], encode: Encode) -> Sequence[Tensor]:
        features = encode([torch.from_numpy(unit).to(device.device()) for unit in units])
        return [stacked(each, self._ears.stack) for each in features]

    def _together(self, features: Sequence[Tensor]) -> Tensor:
        return torch.cat([*features])[None]


def gallery_of(shelf: Album | SoundShelf, sense: Sense, keys: NDArray[np.bytes_], *, memory_mb: int) -> Gallery:
    """Return the gallery of a sense. Raises ValueError for pictures and ears, and for sounds and eyes."""
    if isinstance(shelf, Album) and isinstance(sense, EyesConfig):
        return PictureGallery(shelf, sense, keys, memory_mb=memory_mb)
    if isinstance(shelf, SoundShelf) and isinstance(sense, EarsConfig):
        return SoundGallery(shelf, sense, keys, memory_mb=memory_mb)
    raise ValueError(f"{type(sense).__name__} perceives no {shelf.field}")
