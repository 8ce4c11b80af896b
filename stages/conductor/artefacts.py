"""Artefacts: files that requests bring and experts make, in a folder, by the digest of their content."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from stages.shared.files import write_atomic

_NAME = re.compile(r"[0-9a-f]{32}\.[a-z0-9]{1,8}")
_SUFFIX = re.compile(r"[a-z0-9]{1,8}")


class Artefacts:
    """The files of a folder. Equal files are one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, data: bytes, suffix: str) -> str:
        """Keep a file; return its name. Raises ValueError for a suffix that is no plain one, such as `png`."""
        if not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"suffix {suffix!r}: must be letters and digits, such as png")
        name = f"{hashlib.sha256(data).hexdigest()[:32]}.{suffix}"
        if not (self.folder / name).exists():
            write_atomic(self.folder / name, data)
        return name

    def path(self, name: str) -> Path:
        """Return the path of an artefact. Raises ValueError for a name that `add` does not return."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no artefact")
        return self.folder / name
