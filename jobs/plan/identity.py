"""Identity of an input file from outside the run: its content, not its path or times. Reads the disk.

Imports little, since every worker checks that its inputs are those that were planned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stages.shared.contract import InputFile
from stages.shared.files import sampled_digest

NAMED = ("source", "name", "digest")
"""The parts of a local file's identity. Other files are named by more or fewer: their content does not change."""
CACHE = "__pycache__"
READERS = 16
"""Files hashed at once: a parallel file system answers many requests as fast as one."""


def is_cache(path: Path) -> bool:
    """Return whether Python made a file or folder, beside code that it imported. It is no input."""
    return CACHE in path.parts


def changed_files(digests: Mapping[str, str]) -> list[str]:
    """Return the paths of local files or folders that are gone or have another digest than the one given for them."""
    with ThreadPoolExecutor(READERS) as readers:
        return sorted(
            path for path, now in zip(digests, readers.map(_digest_now, digests), strict=True) if now != digests[path]
        )


def _digest_now(path: str) -> str:
    try:
        return file_identity(InputFile(Path(path), ""))[2]
    except OSError:
        return ""


def file_identity(file: InputFile) -> list[str]:
    """Return [source, name, digest] of a local file or folder: of its content, not of its path or times."""
    if file.path.is_dir():
        parts = sorted(part for part in file.path.rglob("*") if part.is_file() and not is_cache(part))
        digests = [[str(part.relative_to(file.path)), sampled_digest(part)] for part in parts]
        return [file.source, file.path.name, hashlib.sha256(repr(digests).encode()).hexdigest()]
    return [file.source, file.path.name, sampled_digest(file.path)]
