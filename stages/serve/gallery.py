"""The pictures of requests in an engine: each is encoded once while any request needs it, and the last ones stay.

A request holds its pictures from its prompt to the end of its last row: the engine may compute a prompt at any time
until then. Requests hold and release from any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from threading import Lock, RLock

from PIL.Image import Image

from stages.generate.features import Features
from stages.model.sight import Sight
from stages.serve.problems import Problem


class Held:
    """Pictures that a request needs. One that is forgotten releases itself."""

    def __init__(self, gallery: Gallery | None, keys: Iterable[str]) -> None:
        self._gallery, self._keys = gallery, tuple(keys)

    def again(self) -> Held:
        """Return one more hold of the same pictures, while this one lasts."""
        if self._gallery and self._keys:
            self._gallery.use(self._keys)
        return Held(self._gallery, self._keys)

    def release(self) -> None:
        """Say that the pictures are no longer needed here."""
        keys, self._keys = self._keys, ()
        if self._gallery and keys:
            self._gallery.release(keys)

    def __del__(self) -> None:
        self.release()


NOTHING = Held(None, ())
"""The hold of a request without pictures."""


class Gallery:
    """The features of pictures, by key."""

    def __init__(self, eyes: Sight, features: Features, most: int) -> None:
        """Requests hold at most `most` positions of pictures; as many may stay without a request."""
        self._eyes, self._features, self._most = eyes, features, most
        self._lock, self._encoding = RLock(), Lock()  # a hold may be forgotten, and released, anywhere
        self._positions: dict[str, int] = {}
        self._uses: Counter[str] = Counter()
        self._idle: dict[str, None] = {}
        """Encoded pictures that no request holds, the oldest first."""

    def positions(self, key: str) -> int:
        """Return the positions of a picture that is held."""
        return self._positions[key]

    def hold(self, images: Mapping[str, Image]) -> Held:
        """Hold pictures, whose positions are known from then on. Raises Problem if requests hold too many."""
        sizes = {key: self._eyes.positions(image.size) for key, image in images.items()}
        with self._lock:
            held = sum(self._positions[key] for key in self._uses.keys() | sizes.keys() if key not in sizes)
            if held + sum(sizes.values()) > self._most:
                problem = "the pictures of other requests take all the room: try again"
                raise Problem(problem, code="too_many_pictures", status=HTTPStatus.SERVICE_UNAVAILABLE)
            self._positions.update(sizes)
        self.use(sizes)
        return Held(self, sizes)

    def look(self, images: Mapping[str, Image]) -> None:
        """Encode those pictures that are not known yet. They must be held."""
        for key, image in images.items():
            squares = [] if key in self._features else self._eyes.squares(image)
            with self._encoding:
                if key not in self._features:
                    self._features.add(key, self._eyes.rows(squares))

    def use(self, keys: Iterable[str]) -> None:
        """Count one more use of each picture."""
        with self._lock:
            for key in keys:
                self._uses[key] += 1
                self._idle.pop(key, None)

    def release(self, keys: Iterable[str]) -> None:
        """Count one use less of each picture, and forget the oldest of those without any that have no room."""
        with self._lock:
            for key in keys:
                self._uses[key] -= 1
                if not self._uses[key]:
                    del self._uses[key]
                    self._idle[key] = None
            while sum(self._positions[key] for key in self._idle) > self._most:
                oldest = next(iter(self._idle))
                del self._idle[oldest], self._positions[oldest]
                self._features.forget(oldest)
