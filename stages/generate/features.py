"""Rows of features in the place of embeddings, such as those that an encoder and a join make of a picture.

In a prompt, ids below 0 name the rows. They follow from the name of what is seen, so equal pictures are equal prefixes,
and different ones are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from stages.generate.plan import Tokens

# Shape suffixes: P = positions, D = width of the residual stream.

Spliced = tuple[Tensor, Tensor]
"""Places of positions among the tokens of a step, [P], and their rows, [P, D]."""


def feature_ids(key: str, count: int) -> Tokens:
    """Return the ids of the `count` rows of what `key` names.

    The first is drawn from 2^62 by a hash: two of a million pictures share an id with a probability below 1e-3.
    """
    first = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 2
    return tuple(range(-1 - first, -1 - first - count, -1))


def placed(ids: Sequence[int], placeholder: int, shown: Iterable[tuple[str, int]]) -> list[int]:
    """Return a prompt in which each run of `placeholder` became the ids of the rows of a picture or sound.

    `shown` has their keys in order, each with its positions. Text never has `placeholder`.
    """
    found: list[int] = []
    place = 0
    for key, count in shown:
        start = ids.index(placeholder, place)
        found += [*ids[place:start], *feature_ids(key, count)]
        place = start + count
    rest = ids[place:]
    assert placeholder not in rest, "more positions than planned"
    return [*found, *rest]


class Features:
    """Rows of this process by their ids."""

    def __init__(self) -> None:
        self._rows: dict[int, Tensor] = {}
        self._ids: dict[str, Tokens] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._ids

    def add(self, key: str, rows_PD: Tensor) -> Tokens:
        """Keep the rows of a picture; return their ids. Raises ValueError for ids that another picture has."""
        if key not in self._ids:
            ids = feature_ids(key, len(rows_PD))
            if not self._rows.keys().isdisjoint(ids):
                raise ValueError(f"the features of {key} have ids of another picture's")
            self._rows.update(zip(ids, rows_PD.unbind(), strict=True))
            self._ids[key] = ids  # last: another thread may ask whether the key is there
        return self._ids[key]

    def keep(self, keys: Iterable[str]) -> None:
        """Forget all pictures but these."""
        for key in self._ids.keys() - set(keys):
            self.forget(key)

    def forget(self, key: str) -> None:
        """Forget a picture; one that is not known stays so."""
        for token in self._ids.pop(key, ()):
            del self._rows[token]

    def spliced(self, tokens: Sequence[int]) -> Spliced | None:
        """Return the places and rows of the ids below 0; None: there are none. Raises ValueError for unknown ones."""
        places = [at for at, token in enumerate(tokens) if token < 0]
        if not places:
            return None
        unknown = [tokens[at] for at in places if tokens[at] not in self._rows]
        if unknown:
            raise ValueError(f"{len(unknown)} of {len(places)} positions have no features (id {unknown[0]})")
        rows_PD = torch.stack([self._rows[tokens[at]] for at in places])
        return torch.tensor(places, device=rows_PD.device), rows_PD
