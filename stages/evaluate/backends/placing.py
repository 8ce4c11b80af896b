"""Pictures in the prompts of a unit: their positions, and the squares that the engine's encoder sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stages.evaluate.engine import Shown
from stages.generate.features import feature_ids, placed
from stages.generate.plan import Tokens
from stages.model.sight import Sight
from stages.pictures.album import Album
from stages.shared.errors import ConfigError


class Placing:
    """Joins an album to the eyes of a model. Without eyes prompts can be written and not answered: a picture has one
    position.
    """

    def __init__(self, album: Album, eyes: Sight | None) -> None:
        self._album, self._eyes = album, eyes
        self._keys: dict[int, str] = {}

    def positions(self, key: str) -> int:
        """Return the positions of a picture in a prompt. Raises DataError if there is no such picture."""
        size = self._album.size(key)
        return 1 if self._eyes is None else self._eyes.positions(size)

    def placed(self, ids: Sequence[int], picture_id: int, keys: Iterable[str]) -> list[int]:
        """Return a prompt in which each picture's run of `picture_id` became the ids of its rows of features.

        Text never has this id: the runs are those of `keys`, in order.
        """
        named = [(key, self.positions(key)) for key in keys]
        self._keys.update((feature_ids(key, 1)[0], key) for key, _ in named)
        return placed(ids, picture_id, named)

    def shown(self, prompts: Iterable[Tokens | Sequence[int]]) -> Shown:
        """Return the squares of the pictures in prompts, by key. Raises ConfigError for a model without eyes."""
        keys = dict.fromkeys(self._keys[token] for prompt in prompts for token in prompt if token in self._keys)
        if keys and self._eyes is None:
            wanted = "checkpoints with an encoder and a join for tasks on pictures (for example of `vision.train`)"
            raise ConfigError("checkpoints", None, wanted)
        return {key: self._eyes.squares(self._album.image(key)) for key in keys} if self._eyes else {}
