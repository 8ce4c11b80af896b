"""Pictures or sounds of requests in an engine: each is encoded once while a request needs it, and the last ones stay.

A request holds what it shows from its prompt to the end of its last row: the engine may compute a prompt at any time
until then. Requests hold and release from any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from threading import Lock, RLock
from typing import Any

from stages.generate.features import Features
from stages.model.listening import Listener
from stages.model.sight import Sight
from stages.serve.problems import Problem

Shown = Mapping[str, Any]
"""Pictures for eyes, or samples of sounds for ears, by key."""


class Held:
    """Pictures or sounds that a request needs. One that is forgotten releases itself."""

    def __init__(self, gallery: Gallery | None, keys: Iterable[str]) -> None:
        self._gallery, self._keys = gallery, tuple(keys)

    def again(self) -> Held:
        """Return one more hold of the same, while this one lasts."""
        if self._gallery and self._keys:
            self._gallery.use(self._keys)
        return Held(self._gallery, self._keys)

    def release(self) -> None:
        """Say that they are no longer needed here."""
        keys, self._keys = self._keys, ()
        if self._gallery and keys:
            self._gallery.release(keys)

    def __del__(self) -> None:
        self.release()


NOTHING = Held(None, ())
"""The hold of a request that shows nothing."""


class Gallery:
    """The features of pictures or sounds, by key."""

    def __init__(self, sense: Sight | Listener, features: Features, most: int) -> None:
        """Requests hold at most `most` positions; as many may stay without a request."""
        # Eyes are given pictures and ears samples: Model.show has seen to it.
        self._sense: Any = sense
        self._features, self._most = features, most
        self._lock, self._encoding = RLock(), Lock()  # a hold may be forgotten, and released, anywhere
        self._positions: dict[str, int] = {}
        self._uses: Counter[str] = Counter()
        self._idle: dict[str, None] = {}
        """What is encoded and no request holds, the oldest first."""

    def positions(self, key: str) -> int:
        """Return the positions of a picture or sound that is held."""
        return self._positions[key]

    def hold(self, shown: Shown) -> Held:
        """Hold what a request shows: its positions are known from then on. Raises Problem if requests hold too much."""
        sizes = {key: int(self._sense.positions(value.size)) for key, value in shown.items()}
        with self._lock:
            held = sum(self._positions[key] for key in self._uses.keys() | sizes.keys() if key not in sizes)
            if held + sum(sizes.values()) > self._most:
                problem = "the pictures and sounds of other requests take all the room: try again"
                raise Problem(problem, code="too_much_shown", status=HTTPStatus.SERVICE_UNAVAILABLE)
            self._positions.update(sizes)
        self.use(sizes)
        return Held(self, sizes)

    def look(self, shown: Shown) -> None:
        """Encode what is not known yet. It must be held."""
        for key, value in shown.items():
            cut: Any = None if key in self._features else self._sense.cut(value)
            with self._encoding:
                if cut is not None and key not in self._features:
                    self._features.add(key, self._sense.rows(cut))

    def use(self, keys: Iterable[str]) -> None:
        """Count one more use of each."""
        with self._lock:
            for key in keys:
                self._uses[key] += 1
                self._idle.pop(key, None)

    def release(self, keys: Iterable[str]) -> None:
        """Count one use less of each, and forget the oldest of those without any that have no room."""
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
