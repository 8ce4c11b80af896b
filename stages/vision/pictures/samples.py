"""A sample as its source has it, before a picture is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from stages.formats.chat.rejects import Reject
from stages.formats.published.turns import Turn

Found = bytes | Path
"""A picture: its bytes, or where they lie."""
Place = int | str
"""Names a sample within its file: a number from 1, or a key."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Pictures with captions, boxes or a conversation."""

    name: str
    pictures: Sequence[Found]
    captions: Sequence[Any] = ()
    boxes: Sequence[Mapping[str, Any]] = ()
    turns: Sequence[Turn] = field(default_factory=list)


Samples = Iterator[tuple[Place, Sample | Reject]]


def inside(folder: Path, name: Any) -> Path:
    """Return the path of a picture. Raises Reject for a name that leads out of the folder."""
    if not isinstance(name, str) or not name:
        raise Reject("no_picture_name", repr(name))
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise Reject("outside_the_folder", ascii(name))
    return folder / name


def is_in_share(name: str, share: int, shares: int) -> bool:
    """Return whether a picture of this name belongs to a share: all samples of one picture do, in every file."""
    digest = hashlib.sha256(name.encode(errors="replace")).digest()
    return int.from_bytes(digest[:8], "big") % shares == share
