"""The pictures of a training as squares for the encoder: decoded ahead on threads, or their features kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.model import device
from stages.model.eyes import EyesConfig
from stages.model.sight import NORMALISATIONS, Encode
from stages.pictures.album import Album
from stages.pictures.plan import Layout
from stages.pictures.prepare import Square, normalised, squares

# Shape suffixes: N = squares, C = 3 channels, H = pixels of a side, P = features of a square, W = width of a feature.

BLOCK = 16
"""Squares whose features are made together and kept. Blocks are the same whenever they are made: kernels may add up in
another order for another number of squares, and a training that was killed would end with other bits."""
_THREADS = 2
"""Threads that decode: Pillow computes without Python's lock."""
_MB = 1 << 20


class Gallery:
    """The squares of the pictures of some keys, numbered in order of the keys."""

    def __init__(self, album: Album, eyes: EyesConfig, keys: NDArray[np.bytes_], *, memory_mb: int) -> None:
        """`keys` are sorted, and the album has all of them. Pixels, or features, take at most `memory_mb`."""
        self._album, self._eyes, self.keys = album, eyes, keys
        self._sizes = [album.size(key.decode()) for key in keys]
        self.counts: NDArray[np.int64] = np.array([eyes.squares(size) for size in self._sizes], dtype=np.int64)
        """Squares of each picture."""
        self.positions: NDArray[np.int64] = np.array([eyes.positions(size) for size in self._sizes], dtype=np.int64)
        """Positions of each picture."""
        self._ends = np.cumsum(self.counts)
        side, self._bytes = eyes.encoder.picture_size, memory_mb * _MB
        self._most = max(1, self._bytes // (3 * side**2))
        self._pool = ThreadPoolExecutor(_THREADS)
        self._coming: OrderedDict[int, Future[list[Square]]] = OrderedDict()
        self._lock = Lock()
        self._held: dict[int, Tensor] = {}
        self.is_cached = False
        """Whether features are kept: of a frozen encoder alone."""

    def __len__(self) -> int:
        """Return the number of squares."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def feature_bytes(self, dtype: torch.dtype) -> int:
        """Return the memory of all features."""
        return len(self) * self._eyes.encoder.num_features * self._eyes.encoder.dim * dtype.itemsize

    def keep_features(self, dtype: torch.dtype) -> bool:
        """Keep all features if they fit into the memory; return whether they do."""
        self.is_cached = self.feature_bytes(dtype) <= self._bytes
        return self.is_cached

    def squares_of(self, keys: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """Return the numbers of the squares of pictures, in order."""
        found = np.searchsorted(self.keys, keys)
        counts = self.counts[found]
        starts = self._ends[found] - counts
        inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        numbers: NDArray[np.int64] = np.repeat(starts, counts) + inner
        return numbers

    def layouts(self, numbers: Sequence[int]) -> list[Layout]:
        """Return how the pictures of squares are cut, in order, given all squares of each."""
        pictures = [self._picture(number) for number in numbers if number == self._first(number)]
        return [self._eyes.scheme.layout(self._sizes[picture]) for picture in pictures]

    def expect(self, numbers: Iterable[int]) -> None:
        """Begin to decode the pictures of squares. Side effect: forgets those that were wanted least recently."""
        if self.is_cached:
            return
        for picture in dict.fromkeys(self._picture(number) for number in numbers):
            self._decoded(picture)

    def features(self, numbers: Sequence[int], encode: Encode) -> Tensor:
        """Return the features of squares, [N, P, W], on the device."""
        if not self.is_cached:
            return encode(self._pixels(numbers))
        for block in dict.fromkeys(number // BLOCK for number in numbers):
            if block not in self._held:
                together = range(block * BLOCK, min((block + 1) * BLOCK, len(self)))
                with torch.no_grad():
                    self._held[block] = encode(self._pixels(together)).cpu()
                self._coming.clear()
        return torch.stack([self._held[number // BLOCK][number % BLOCK] for number in numbers]).to(device.device())

    def _pixels(self, numbers: Sequence[int]) -> Tensor:
        """Return normalised pixels [N, C, H, H] on the device."""
        wanted = [(self._decoded(self._picture(number)), number) for number in numbers]
        found = [coming.result()[number - self._first(number)] for coming, number in wanted]
        normalisation = NORMALISATIONS[self._eyes.normalisation]
        return torch.from_numpy(normalised(found, normalisation)).to(device.device())

    def _picture(self, number: int) -> int:
        return int(np.searchsorted(self._ends, number, side="right"))

    def _first(self, number: int) -> int:
        """Return the first square of a square's picture."""
        picture = self._picture(number)
        return int(self._ends[picture] - self.counts[picture])

    def _decoded(self, picture: int) -> Future[list[Square]]:
        with self._lock:  # samples may be read ahead on a thread
            coming = self._coming.get(picture)
            if coming is None:
                coming = self._coming[picture] = self._pool.submit(self._load, self.keys[picture].decode())
            self._coming.move_to_end(picture)
            while len(self._coming) > self._most:
                self._coming.popitem(last=False)
            return coming

    def _load(self, key: str) -> list[Square]:
        eyes = self._eyes
        return squares(self._album.image(key), eyes.scheme, NORMALISATIONS[eyes.normalisation])
