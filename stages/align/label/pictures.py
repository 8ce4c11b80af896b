"""Pictures of prompts on the page: small copies in the folder of the candidates, by a digest of their keys.

The page shows these copies alone: a loader of ours has decoded each, whatever the file was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.formats.preferences import Candidates
from stages.shared.contract import InputFile

FOLDER = "pictures"
"""Beside the candidates."""
SIDE = 768
"""Longest side, in pixels."""


def keys_of(candidates: Iterable[Candidates]) -> list[str]:
    """Return the keys of the pictures in prompts, in order, each once."""
    parts = (part for each in candidates for message in each.prompt for part in message.parts)
    return [*dict.fromkeys(part.key for part in parts if part.type == "picture")]


def write_pictures(out: Path, keys: Sequence[str], collections: Sequence[InputFile]) -> int:
    """Write the copies; return their number. Raises DataError for a picture that no collection has."""
    from stages.pictures.album import Album  # noqa: PLC0415  numpy and Pillow: the page's server does without

    album = Album([file.path for file in collections])
    album.require(keys)
    (out / FOLDER).mkdir()
    for key in keys:
        url = album.thumbnail(key, SIDE)
        (out / FOLDER / _name(key)).write_text(url)
    return len(keys)


def read_picture(folder: Path, key: str) -> str:
    """Return the data URL of a picture; empty if there is no copy."""
    path = folder / FOLDER / _name(key)
    return path.read_text() if path.is_file() else ""


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
