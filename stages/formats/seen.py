"""The format of questions on pictures that were answered, for people to look at: seen.json, the fields of Seen.

`evaluate` writes it; the report reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A question with its answer."""

    task: str
    number: int
    """Of the question in its task."""
    question: str
    pictures: tuple[str, ...]
    """Keys of the pictures that were shown."""
    answer: str
    right: str
    """The right answer."""
    is_right: bool | None
    """By the task's main metric; None: that gives more than right and wrong."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The first questions of a cell."""

    pictures: Mapping[str, str]
    """Small copies of the pictures by key: data URLs of WEBP."""
    answered: tuple[Answered, ...]


def write_seen(path: Path, seen: Seen) -> None:
    """Write the questions, atomically."""
    write_json(path, asdict(seen))


def read_seen(path: Path) -> Seen:
    """Return the questions of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        answered = (Answered(**{**each, "pictures": tuple(each["pictures"])}) for each in value["answered"])
        return Seen(pictures=dict(value["pictures"]), answered=tuple(answered))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"no questions on pictures ({error!r})", "Run the unit that wrote it again") from error
