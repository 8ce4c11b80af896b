"""`rounds:` in a recipe: the same sections several times, each time after the last, as ordinary sections.

    rounds: {count: 3, sections: [reward, ppo, answers, labels]}      reward-1, ppo-1, ..., reward-2, ppo-2, ...

    reward:
      preferences: {first: from:sample, online: from:labels@earlier}  those of labels-1 and labels-2 in reward-3
    ppo:
      reward: from:reward                                             from:reward-3 in ppo-3
    answers:
      round: "@round"                                                 the number of the round, from 1

Outside these sections `from:ppo` is the last round's. One more round adds sections and changes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stages.shared.contract import FROM
from stages.shared.errors import ConfigError, nearest

ROUNDS = "rounds"
EARLIER = "@earlier"
"""Behind the name of a section: that section of all earlier rounds."""
NUMBER = "@round"
"""A value that is the number of the round."""
_NOTHING = object()
"""Stands for an earlier section in the first round."""


def expand_rounds(sections: Mapping[str, Any], rounds: Any) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Return the sections with those of each round in place of repeated ones, and the names by repeated section.

    Raises ConfigError for `rounds` that cannot be expanded.
    """
    repeated, count = _checked(sections, rounds)
    names = {name: tuple(f"{name}-{number}" for number in range(1, count + 1)) for name in repeated}
    for each in (each for found in names.values() for each in found):
        if each in sections:
            raise ConfigError(f"{ROUNDS}.sections", each, "names of sections that no other section's name continues")
    found: dict[str, Any] = {}
    for name, body in sections.items():
        if name not in names:
            found[name] = _Round(names, None).resolved(name, body)
    for number in range(1, count + 1):
        for name in repeated:
            body = {"stage": name, **sections[name]}
            found[names[name][number - 1]] = _Round(names, number).resolved(f"{name}-{number}", body)
    return found, names


def _checked(sections: Mapping[str, Any], rounds: Any) -> tuple[list[str], int]:
    if not isinstance(rounds, Mapping) or rounds.keys() != {"count", "sections"}:
        raise ConfigError(ROUNDS, rounds, "a mapping (for example {count: 3, sections: [reward, ppo]})")
    count, repeated = rounds["count"], rounds["sections"]
    if type(count) is not int or count < 1:
        raise ConfigError(f"{ROUNDS}.count", count, "a whole number from 1 (for example 3)")
    if not isinstance(repeated, list) or not repeated or len(set(map(str, repeated))) < len(repeated):
        raise ConfigError(f"{ROUNDS}.sections", repeated, "a list of different sections (for example [reward, ppo])")
    for name in repeated:
        if not isinstance(sections.get(name), Mapping):
            wanted = f"a section of this recipe; {nearest(str(name), list(sections))}"
            raise ConfigError(f"{ROUNDS}.sections", name, wanted)
    return repeated, count


class _Round:
    """Resolves the values of one round's sections, or with the number None those of the other sections."""

    def __init__(self, names: Mapping[str, tuple[str, ...]], number: int | None) -> None:
        self._names, self._number = names, number

    def resolved(self, setting: str, value: Any) -> Any:
        """Return a value with the round's own names and number in it."""
        if isinstance(value, Mapping):
            items = ((key, self.resolved(f"{setting}.{key}", item)) for key, item in value.items())
            return {key: item for key, item in items if item is not _NOTHING}
        if isinstance(value, list):
            return [item for each in value for item in self._items(setting, each)]
        if value == NUMBER and self._number is not None:
            return self._number
        if not isinstance(value, str) or not value.startswith(FROM):
            return value
        name, is_earlier = value.removeprefix(FROM).removesuffix(EARLIER), value.endswith(EARLIER)
        if name not in self._names:
            if is_earlier:
                raise ConfigError(setting, value, f"a section of {ROUNDS}; {nearest(name, list(self._names))}")
            return value
        place = (self._number or len(self._names[name])) - 1
        if not is_earlier:
            return FROM + self._names[name][place]
        return [FROM + each for each in self._names[name][:place]] or _NOTHING

    def _items(self, setting: str, value: Any) -> Iterator[Any]:
        found = self.resolved(setting, value)
        if found is not _NOTHING:
            yield from found if isinstance(found, list) and not isinstance(value, list) else [found]
