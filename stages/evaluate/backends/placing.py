"""Pictures or sounds in the prompts of a unit: their positions, and what the engine's encoder takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stages.evaluate.engine import Shown
from stages.generate.features import feature_ids, placed
from stages.generate.plan import Tokens
from stages.model.listening import Listener
from stages.model.sight import Sight
from stages.pictures.album import Album
from stages.pictures.sounds import SoundShelf
from stages.shared.errors import ConfigError


class Placing:
    """Joins collections to the eyes or ears of a model. Without them prompts can be written and not answered: a picture
    or sound has one position.
    """

    def __init__(self, shelf: Album | SoundShelf, sense: Sight | Listener | None) -> None:
        # Eyes go with an album and ears with sounds: require_sense has seen to it.
        self._shelf: Any = shelf
        self._sense: Any = sense
        self._keys: dict[int, str] = {}

    def positions(self, key: str) -> int:
        """Return the positions of a picture or sound in a prompt. Raises KeyError if there is none of that key."""
        size = self._shelf.size(key)
        return 1 if self._sense is None else int(self._sense.positions(size))

    def placed(self, ids: Sequence[int], placeholder: int, keys: Iterable[str]) -> list[int]:
        """Return a prompt in which each key's run of `placeholder` became the ids of its rows of features.

        Text never has this id: the runs are those of `keys`, in order.
        """
        named = [(key, self.positions(key)) for key in keys]
        self._keys.update((feature_ids(key, 1)[0], key) for key, _ in named)
        return placed(ids, placeholder, named)

    def shown(self, prompts: Iterable[Tokens | Sequence[int]]) -> Shown:
        """Return what the encoder takes of prompts, by key. Raises ConfigError for a model that perceives nothing."""
        keys = dict.fromkeys(self._keys[token] for prompt in prompts for token in prompt if token in self._keys)
        if keys and self._sense is None:
            wanted = f"checkpoints with an encoder and a join for tasks on {self._shelf.field}"
            raise ConfigError("checkpoints", None, wanted)
        return {key: self._sense.cut(self._shelf.load(key)) for key in keys} if self._sense else {}
